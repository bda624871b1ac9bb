import json
from pathlib import Path

import pytest

from hf_mlm.reproduce.catalog import TABLES
from hf_mlm.reproduce.published import CURVES, DATASETS, figures, published, validation_curves


def value(paper: str, table: str, row: str, column: str) -> float:
    found = published(paper, table, row, column)
    assert found is not None and found.value is not None
    return found.value


def rows(paper: str, table: str) -> list[str]:
    found = dict.fromkeys(cell.row for cell in TABLES[paper, table].cells)
    return [
        row
        for row in found
        if any(figure.row == row and figure.source.endswith(f"Table {table}") for figure in figures())
    ]


@pytest.mark.real
def test_every_cell_is_that_of_the_list_read_from_the_papers(shared_data: Path) -> None:
    path = shared_data.parent / "reference" / "published_cells.json"
    if not path.is_file():
        pytest.skip("the list is not at hand")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len(cells) == 839
    for cell in cells:
        found = published(*(cell[name] for name in ("paper", "table", "row", "column")))
        assert found is not None and found.value == cell["value"], cell
        assert found.source.endswith(f"Table {cell['table']}")
    unreadable = [cell for cell in cells if cell["value"] is None]
    assert len(unreadable) == 4 and len(list(figures())) == 835 + 7  # seven are sums, or of Table 3


@pytest.mark.parametrize("language", ["en", "fr", "es", "de"])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_entities_are_the_sum_of_their_types(language: str, split: str) -> None:
    types = sum(value("2m-ner", "2", f"{language}, {split}", kind) for kind in ("PER", "LOC", "ORG", "MISC"))
    assert types == value("2m-ner", "2", f"{language}, {split}", "entities")


def test_totals_are_the_sums_of_languages_and_splits() -> None:
    for column in ("PER", "LOC", "ORG", "MISC", "entities", "sentences"):
        parts = [
            value("2m-ner", "2", f"{language}, {split}", column)
            for language in ("en", "fr", "es", "de")
            for split in ("train", "validation", "test")
        ]
        assert sum(parts) == value("2m-ner", "2", "all", column)
    for split, column in (("train", "train"), ("validation", "dev"), ("test", "test")):
        ours = sum(value("2m-ner", "2", f"{language}, {split}", "sentences") for language in ("en", "fr", "es", "de"))
        assert ours == value("2m-ner", "3", "MMNERD", column) == value("2m-ner", "2", f"all, {split}", "sentences")


@pytest.mark.parametrize("table", ["5", "7", "8", "9"])
def test_f1_follows_from_precision_and_recall(table: str) -> None:
    wrong = []
    for row in rows("2m-ner", table):
        for dataset in DATASETS:
            found = [published("2m-ner", table, row, f"{dataset}{name}") for name in ("", " precision", " recall")]
            f1, precision, recall = (figure and figure.value for figure in found)
            if f1 and precision and recall and abs(2 * precision * recall / (precision + recall) - f1) > 0.011:
                wrong.append((row, dataset))
    assert wrong == ([("MKGFormer", "all")] if table == "5" else [])  # misprinted, or misread


def test_tables_of_one_system_agree() -> None:
    for name in ("", " PER", " LOC", " ORG", " MISC", " precision", " recall"):
        whole = value("2m-ner", "5", "2M-NER", f"all{name}")
        assert whole == value("2m-ner", "8", "ALL", f"all{name}") == value("2m-ner", "9", "2M-NER", f"all{name}")
        for language in ("en", "fr", "es", "de"):
            alone = value("2m-ner", "6", f"{language} → {language}", name.strip() or "F1")
            assert alone == value("2m-ner", "5", "2M-NER", f"{language}{name}")


def test_recall_grows_with_the_number_of_candidates_and_multitask_learning_helps_retrieval() -> None:
    for row in rows("mlm", "3"):
        recalls = [value("mlm", "3", row, f"R@{k}") for k in (1, 5, 10)]
        assert recalls == sorted(recalls) and recalls[0] >= 0 and recalls[-1] <= 1
        assert (value("mlm", "3", row, "medR") > 10) == (recalls[-1] < 0.5)
        if row.endswith("single task"):
            multitask = row.replace("single task", "multitask")
            assert value("mlm", "3", multitask, "medR") < value("mlm", "3", row, "medR")


def test_a_weighted_f1_is_at_most_the_mean_of_precision_and_recall() -> None:
    for row in rows("mlm", "4"):  # harmonic means of cells are below arithmetic ones
        f1, precision, recall = (value("mlm", "4", row, column) for column in ("F1", "precision", "recall"))
        assert f1 <= (precision + recall) / 2 + 0.01  # each is rounded


def test_images_and_summaries_an_entity() -> None:
    ratios = {
        dataset: [
            round(value("mlm", "2", dataset, name) / value("mlm", "2", dataset, "entities"), 2)
            for name in ("images", "summaries")
        ]
        for dataset in ("mlm", "irle")
    }
    assert ratios == {"mlm": [1.74, 2.11], "irle": [1.44, 2.11]}


def test_every_figure_stands_in_a_cell_that_is_reproduced() -> None:
    cells = {(table.paper, cell.row, cell.column) for table in TABLES.values() for cell in table.cells}
    papers = {"MLM": "mlm", "2M-NER": "2m-ner"}
    assert {(papers[figure.source.split()[0]], figure.row, figure.column) for figure in figures()} <= cells


def test_what_is_unreadable_is_none_and_what_does_not_exist_is_no_figure() -> None:
    unknown = published("2m-ner", "5", "UMGF", "de PER")
    assert unknown is not None and unknown.value is None and unknown.source.endswith("Table 5")
    for cell in (
        ("9", "2M-NER", "en"),
        ("2", "all, test", "LOC"),
        ("2", "en", "PER"),
        ("controls", "blank images", "en"),
    ):
        assert published("2m-ner", *cell) is None


def test_sums_and_counts_of_other_tables_say_so() -> None:
    sources = [published("2m-ner", "2", row, "sentences") for row in ("all, train", "en", "en, train")]
    assert [figure and figure.source for figure in sources] == [
        "2M-NER (arXiv 2404.17122), Table 3",
        "2M-NER (arXiv 2404.17122), Table 2, summed over its splits",
        "2M-NER (arXiv 2404.17122), Table 2",
    ]


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
