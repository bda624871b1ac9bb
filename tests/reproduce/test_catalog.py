from collections import Counter

import pytest

from hf_mlm.reproduce.catalog import SYSTEMS, TABLES, find_table
from hf_mlm.reproduce.experiments import IRLESpec, TaggerSpec
from hf_mlm.reproduce.scales import SYSTEMS as BUILT


def tagger_specs(number: str) -> list[TaggerSpec]:
    return [spec for spec in find_table("2m-ner", number).specs if isinstance(spec, TaggerSpec)]


def test_table_5_has_every_system_on_every_data_set() -> None:
    assert Counter(spec.model for spec in tagger_specs("5")) == dict.fromkeys(SYSTEMS, 5)
    assert set(SYSTEMS) == set(BUILT)


def test_table_6_trains_six_pairs_and_tests_each_on_both_languages() -> None:
    table = find_table("2m-ner", "6")
    assert len(table.specs) == 6 and len(table.cells) == 12
    assert {cell.metric for cell in table.cells} == {f"test_{language}_f1" for language in ("en", "fr", "es", "de")}


def test_tables_3_and_4_share_their_multitask_runs() -> None:
    specs = [{spec for spec in find_table("mlm", number).specs if isinstance(spec, IRLESpec)} for number in "34"]
    assert {spec.tasks for spec in specs[0] & specs[1]} == {("retrieval", "geo")}
    assert {spec.tasks for spec in specs[0] ^ specs[1]} == {("retrieval",), ("geo",)}
    assert [len(side) for side in specs] == [4, 4]


def test_table_8_leaves_each_of_five_folds_out_once() -> None:
    assert [spec.fold for spec in tagger_specs("8")] == [1, 2, 3, 4, 5]


def test_controls_change_one_thing_each() -> None:
    english = [spec for spec in tagger_specs("controls") if spec.dataset == "en"]
    changed = [(spec.text_only, spec.images, spec.reference) for spec in english]
    assert changed[0] == (False, "own", False) and len(set(changed)) == 5
    assert all(sum(a != b for a, b in zip(row, changed[0], strict=True)) == 1 for row in changed[1:])


def test_the_compared_row_is_there() -> None:
    for table in TABLES.values():
        assert table.compared_with is None or table.compared_with in {cell.row for cell in table.cells}


def test_every_table_says_how_its_paper_was_read() -> None:
    assert all(table.note.endswith(".") for table in TABLES.values())
    assert "one fifth" in find_table("2m-ner", "8").note and "once a sentence" in find_table("2m-ner", "2").note
    for table in TABLES.values():
        assert set(table.lower_is_better) <= {cell.column for cell in table.cells}


def test_only_keeps_a_system() -> None:
    assert {spec.model for spec in find_table("2m-ner", "5").only("BERT").specs if isinstance(spec, TaggerSpec)} == {
        "BERT"
    }
    assert {spec.tasks for spec in find_table("mlm", "4").only("single task").specs} == {("geo",)}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("paper", "number", "message"),
    [
        ("mml", "3", "there is no paper 'mml' to reproduce; choose one of mlm, 2m-ner."),
        ("mlm", "5", "mlm has no table '5' to reproduce; choose one of 2, 3, 4, controls."),
    ],
)
def test_what_does_not_exist_is_refused(paper: str, number: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        find_table(paper, number)
    with pytest.raises(ValueError, match="no row of 'GPT'; choose one of BiLSTM-CRF"):
        find_table("2m-ner", "5").only("GPT")
