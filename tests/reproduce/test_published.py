import json
from pathlib import Path

import pytest

from hf_mlm.reproduce.catalog import TABLES
from hf_mlm.reproduce.published import CURVES, PUBLISHED, figures, published, validation_curves


def value(paper: str, table: str, row: str, column: str) -> float:
    found = published(paper, table, row, column)
    assert found is not None and found.value is not None
    return found.value


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_english_entities_are_the_sum_of_their_types(split: str) -> None:
    types = sum(value("2m-ner", "2", f"en, {split}", kind) for kind in ("PER", "LOC", "ORG", "MISC"))
    assert types == value("2m-ner", "2", f"en, {split}", "entities")


def test_sentences_add_up_by_split_and_by_language() -> None:
    def sentences(row: str) -> float:
        return value("2m-ner", "2", row, "sentences")

    assert sum(sentences(f"en, {split}") for split in ("train", "validation", "test")) == sentences("en")
    assert sum(sentences(f"all, {split}") for split in ("train", "validation", "test")) == sentences("all")
    assert sum(sentences(language) for language in ("en", "fr", "es", "de")) == sentences("all")
    assert sentences("all, validation") == round(sentences("all") / 10)


def test_recall_grows_with_the_number_of_candidates_and_multitask_learning_helps_retrieval() -> None:
    for row in {row for row, _ in PUBLISHED["mlm", "3"]}:
        recalls = [value("mlm", "3", row, f"R@{k}") for k in (1, 5, 10)]
        assert recalls == sorted(recalls) and recalls[0] >= 0 and recalls[-1] <= 1
        if row.endswith("single task"):
            multitask = row.replace("single task", "multitask")
            assert value("mlm", "3", multitask, "medR") < value("mlm", "3", row, "medR")


def test_images_and_summaries_an_entity() -> None:
    per_entity = [
        value("mlm", "2", "irle", name) / value("mlm", "2", "irle", "entities") for name in ("images", "summaries")
    ]
    assert [round(ratio, 2) for ratio in per_entity] == [1.44, 2.11]  # as the paper gives them


def test_every_figure_stands_in_a_cell_that_is_reproduced() -> None:
    cells = {(*key, cell.row, cell.column) for key, table in TABLES.items() for cell in table.cells}
    for (paper, number), found in PUBLISHED.items():
        assert {(paper, number, row, column) for row, column in found} <= cells
    assert len(list(figures())) == sum(value is not None for cells in PUBLISHED.values() for value in cells.values())


def test_a_figure_that_is_unknown_is_none_and_one_that_does_not_exist_is_no_figure() -> None:
    unknown = published("2m-ner", "5", "BERT", "en")
    assert unknown is not None and unknown.value is None and unknown.source.endswith("Table 5")
    sources = [published("2m-ner", "9", row, "en") for row in ("2M-NER", "2M-NER − ViT")]
    assert [figure and figure.source[-7:] for figure in sources] == ["Table 5", "Table 9"]
    assert published("2m-ner", "controls", "blank images", "en") is None


def test_curves_are_read_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_MLM_SHARED_DATA", raising=False)
    assert validation_curves() is None and validation_curves(tmp_path) is None
    (tmp_path / "mlm").mkdir()
    (tmp_path / CURVES).write_text(json.dumps({"medR": [2.0, 1.0]}))
    assert validation_curves(tmp_path) == {"medR": [2.0, 1.0]}


@pytest.mark.real
def test_the_authors_curves_end_near_table_3_and_4(shared_data: Path) -> None:
    curves = validation_curves(shared_data)
    assert curves is not None and {len(curve) for curve in curves.values()} == {100}
    assert curves["medR"][-1] == pytest.approx(value("mlm", "3", "irle, image → text, multitask", "medR"), rel=0.1)
    assert curves["txt_F1"][-1] == pytest.approx(value("mlm", "4", "irle, text, multitask", "F1"), abs=0.01)
    assert curves["img_F1"][-1] == pytest.approx(value("mlm", "4", "irle, image, multitask", "F1"), abs=0.01)
