import json
from pathlib import Path

import pytest

from hf_mlm.reproduce.catalog import TABLES
from hf_mlm.reproduce.published import CURVES, DATASETS, PUBLISHED, figures, published, validation_curves


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


def test_a_median_rank_beyond_ten_goes_with_fewer_than_half_of_the_queries_among_the_first_ten() -> None:
    for row in {row for row, _ in PUBLISHED["mlm", "3"]}:
        assert (value("mlm", "3", row, "medR") > 10) == (value("mlm", "3", row, "R@10") < 0.5)


def test_images_are_harder_to_match_than_texts() -> None:
    for row in {row for row, _ in PUBLISHED["mlm", "3"] if "image → text" in row}:
        other = row.replace("image → text", "text → image")
        assert value("mlm", "3", row, "medR") > value("mlm", "3", other, "medR")


def test_a_weighted_f1_is_at_most_the_mean_of_precision_and_recall() -> None:
    for row in {row for row, _ in PUBLISHED["mlm", "4"]}:  # harmonic means of cells are below arithmetic ones
        f1, precision, recall = (value("mlm", "4", row, column) for column in ("F1", "precision", "recall"))
        assert f1 <= (precision + recall) / 2 + 0.01  # each is rounded


def test_differences_that_our_study_of_2m_ner_noted() -> None:
    assert value("2m-ner", "5", "2M-NER", "all") - value("2m-ner", "5", "UMT", "all") == pytest.approx(0.34)
    text = [value("2m-ner", "7", "2M-NER, text", name) - value("2m-ner", "5", "BERT-CRF", name) for name in DATASETS]
    assert [round(min(text), 2), round(max(text), 2)] == [0.15, 0.49]
    for name in DATASETS:
        assert value("2m-ner", "5", "2M-NER", name) > value("2m-ner", "7", "2M-NER, text", name)


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
@pytest.mark.parametrize(
    ("name", "digits", "noted"),
    [
        ("medR", 1, [49.5, 42.9, 31.8, 25.1, 21.5, 19.2, 19.2]),
        ("R@10", 3, [0.136, 0.150, 0.216, 0.278, 0.317, 0.342, 0.352]),
        ("img_F1", 3, [0.004, 0.009, 0.025, 0.052, 0.083, 0.131, 0.151]),
        ("txt_F1", 3, [0.110, 0.179, 0.299, 0.391, 0.471, 0.550, 0.583]),
    ],
)
def test_the_authors_curves_are_those_that_were_noted(
    name: str, digits: int, noted: list[float], shared_data: Path
) -> None:
    curves = validation_curves(shared_data)
    assert curves is not None
    found = [curves[name][epoch - 1] for epoch in (1, 2, 5, 10, 20, 50, 100)]
    assert found == pytest.approx(noted, abs=0.6 * 10**-digits)


@pytest.mark.real
def test_the_authors_curves_end_near_table_3_and_4(shared_data: Path) -> None:
    curves = validation_curves(shared_data)
    assert curves is not None and {len(curve) for curve in curves.values()} == {100}
    assert curves["medR"][-1] == pytest.approx(value("mlm", "3", "irle, image → text, multitask", "medR"), rel=0.1)
    assert curves["txt_F1"][-1] == pytest.approx(value("mlm", "4", "irle, text, multitask", "F1"), abs=0.01)
    assert curves["img_F1"][-1] == pytest.approx(value("mlm", "4", "irle, image, multitask", "F1"), abs=0.01)
