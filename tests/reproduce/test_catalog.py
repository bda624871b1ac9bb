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


def test_table_6_trains_languages_and_pairs_and_tests_each_on_its_languages() -> None:
    table = find_table("2m-ner", "6")
    assert len(table.specs) == 10 and len(table.cells) == 16 * 7
    metrics = {(cell.row, cell.column): cell.metric for cell in table.cells}
    assert metrics["en + de → de", "LOC"] == "test_de_LOC_f1" and metrics["en → en", "recall"] == "test_recall"
    assert {metrics[row, "F1"] for row, _ in metrics if "+" in row} == {
        f"test_{name}_f1" for name in ("en", "fr", "es", "de")
    }


def test_tables_3_and_4_share_their_multitask_runs() -> None:
    specs = [{spec for spec in find_table("mlm", number).specs if isinstance(spec, IRLESpec)} for number in "34"]
    assert {spec.tasks for spec in specs[0] & specs[1]} == {("retrieval", "geo")}
    assert {spec.tasks for spec in specs[0] ^ specs[1]} == {("retrieval",), ("geo",)}
    assert [len(side) for side in specs] == [4, 4]


def test_table_8_leaves_each_of_five_folds_out_once() -> None:
    assert [spec.fold for spec in tagger_specs("8")] == [1, 2, 3, 4, 5, None]
    assert find_table("2m-ner", "8").seeds == (1, 2)


def test_controls_change_one_thing_each() -> None:
    english = [spec for spec in tagger_specs("controls") if spec.dataset == "en"]
    changed = [(spec.text_only, spec.images, spec.reference, spec.settings) for spec in english]
    assert changed[0] == (False, "own", False, ()) and len(set(changed)) == 7
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
        ("mml", "3", "found 'mml': choose one of mlm, 2m-ner."),
        ("mlm", "5", "a table of mlm, found '5': choose one of 2, 3, 4, groups, controls."),
    ],
)
def test_what_does_not_exist_is_refused(paper: str, number: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        find_table(paper, number)
    with pytest.raises(ValueError, match="table 5, found 'GPT': choose one of BiLSTM-CRF"):
        find_table("2m-ner", "5").only("GPT")


def test_the_papers_tables_have_the_papers_rows_and_columns() -> None:
    shapes = {
        key: (
            len(dict.fromkeys(cell.row for cell in table.cells)),
            len(dict.fromkeys(cell.column for cell in table.cells)),
        )
        for key, table in TABLES.items()
    }
    assert {number: shape for (paper, number), shape in shapes.items() if paper == "mlm" and number.isdigit()} == {
        "2": (3, 4),
        "3": (8, 4),
        "4": (8, 3),
    }
    wanted = {"2": (20, 6), "3": (7, 4), "5": (9, 35), "6": (16, 7), "7": (5, 35), "8": (6, 7), "9": (3, 35)}
    assert {
        number: shape for (paper, number), shape in shapes.items() if paper != "mlm" and number.isdigit()
    } == wanted
    assert len(find_table("2m-ner", "9").on("all").cells) == 21


def test_the_grid_is_the_papers_and_does_not_look_at_the_test_split() -> None:
    specs = tagger_specs("grid")
    alphas, rates = (
        [*dict.fromkeys(values)]
        for values in zip(*((dict(s.settings)["alpha"], s.learning_rate) for s in specs), strict=True)
    )
    assert (alphas[0], alphas[-1], len(alphas)) == (0.1, 0.9, 9) and (rates[0], rates[-1]) == (1e-5, 5e-4)
    assert 0.8 in alphas and 5e-5 in rates and not any(spec.tested for spec in specs)
