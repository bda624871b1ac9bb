import gzip
import json
import os
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.mlm.archives.records import Files, Record, read_json, read_records, same_name


ROWS = [{"id": "1", "title": "Köln"}, {"id": "2", "title": 'a "b"; c'}]


def records_of(path: Path, encoding: str | None = None) -> list[Record]:
    return list(read_records(Files(path), encoding))


def values_of(path: Path, encoding: str | None = None) -> list[dict[str, Any]]:
    return [record.values for record in records_of(path, encoding)]


def table(delimiter: str) -> str:
    cells = [["id", "title"], ["1", "Köln"], ["2", '"a ""b""; c"']]
    return "\r\n".join(delimiter.join(row) for row in cells) + "\r\n"


JSON = json.dumps(ROWS, ensure_ascii=False)
LINES = "\n".join(json.dumps(row) for row in ROWS)
FEATURES = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": row["id"], "properties": {"title": row["title"]}, "geometry": None}
            for row in ROWS
        ],
    }
)
TABLES = {
    "commas.csv": table(",").encode(),
    "semicolons.csv": table(";").encode(),
    "tabs.tsv": table("\t").encode(),
    "bars.csv": table("|").encode(),
    "mark.csv": b"\xef\xbb\xbf" + table(",").encode(),
    "wide.csv": table(";").encode("utf-16"),
    "unmarked.csv": table(";").encode("utf-16-le"),
    "packed.csv.gz": gzip.compress(table(",").encode()),
    "list.json": JSON.encode(),
    "lines.json": LINES.encode(),
    "lines.jsonl": (LINES + "\n\n").encode(),
    "lines.ndjson": LINES.encode(),
    "within.json": json.dumps({"made": "today", "plates": ROWS}).encode(),
    "packed.jsonl.gz": gzip.compress(LINES.encode()),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_every_kind_give_the_same_records(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(TABLES[name])
    assert values_of(tmp_path) == values_of(tmp_path / name) == ROWS


def test_features_are_records_with_a_geometry(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(FEATURES)
    assert values_of(tmp_path) == [{**row, "geometry": None} for row in ROWS]


CELLS = st.text() | st.integers() | st.none()


@given(rows=st.lists(st.dictionaries(st.text(), CELLS, max_size=3), max_size=5), as_lines=st.booleans())
def test_json_comes_back_whatever_it_holds(
    rows: list[dict[str, Any]], as_lines: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(("\n".join(map(json.dumps, rows)) if as_lines else json.dumps(rows, indent=1)) or " ")
    assert list(read_json(path)) == rows


def test_a_table_of_many_blocks_is_read_in_order(tmp_path: Path) -> None:
    rows = [{"id": str(number), "title": "x" * 900} for number in range(4000)]  # 3.7 MB, four blocks
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert values_of(tmp_path) == rows


BROKEN = {
    "a.json": (b'[{"id": 1},\n {"id"', "a.json, line 2, column 6 is not JSON"),
    "end.json": (b'[{"id": 1}', "end.json ends within its list"),
    "deep.json": (b"[" * 20_000, "deep.json is nested too deeply"),
    "object.json": (b'{"a":' * 20_000, "object.json is nested too deeply"),
    "digits.json": (b"[" + b"9" * 5000 + b"]", "digits.json holds a number of thousands of digits"),
    "latin.csv": (b"id,title\n1,K\xf6ln\n", r"latin.csv is not UTF-8 .*0?xf6.*encoding: cp1252"),
    "quotes.csv": (b'id,title\n1,"Koeln\n2,x\n', "quotes.csv, line 3: the quotes do not match"),
    "cut.csv.gz": (gzip.compress(table(",").encode())[:-9], "cut.csv.gz is damaged"),
    "sheet.csv": (b"PK\x03\x04" + b"x" * 50, "sheet.csv is no text but a spreadsheet"),
    "utm.geojson": (
        b'{"type": "FeatureCollection", "crs": {"properties": {"name": "EPSG:25832"}}, "features": []}',
        "reference system EPSG:25832",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_is_named_with_the_way_out(name: str, tmp_path: Path) -> None:
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        records_of(tmp_path)


def test_another_encoding_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,title\n1,Köln\n".encode("cp1252"))
    assert values_of(tmp_path, "cp1252") == [{"id": "1", "title": "Köln"}]
    with pytest.raises(ValueError, match="encoding='latin-99' is unknown"):
        records_of(tmp_path, "latin-99")


def test_lines_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_mlm.data.mlm.archives.records.MAX_TEXT", 1000)
    (tmp_path / "a.csv").write_text("x" * 5000)
    with pytest.raises(ValueError, match="a.csv has a line of more than"):
        records_of(tmp_path)


def test_rows_that_are_too_long_are_faults_and_short_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title\n1\n2,x,y\n\n3,z,,\n")
    short, long, padded = records_of(tmp_path)
    assert (short.values, short.fault) == ({"id": "1"}, None)
    assert long.fault == "3 cells under a header of 2"
    assert long.where.endswith("a.csv, line 3")
    assert padded.values == {"id": "3", "title": "z"}


def test_a_column_name_twice_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,title,\n1,x,y,z\n")
    assert values_of(tmp_path) == [{"id": "1", "title": "x", "title (2)": "y", "column 4": "z"}]


def test_what_is_no_object_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"id": 1}, 5, null]')
    assert [record.fault for record in records_of(tmp_path)] == [
        None,
        "a int instead of an object",
        "a NoneType instead of an object",
    ]


def test_a_folder_of_images_has_a_record_for_each(tmp_path: Path) -> None:
    for name in ("b.JPG", "sub/a.png", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert values_of(tmp_path) == [{"file_name": "b.JPG"}, {"file_name": "sub/a.png"}]


def test_metadata_files_of_image_folders_are_all_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.csv").write_text(f"file_name,text\na.jpg,{split}\n")
    assert sorted(row["text"] for row in values_of(tmp_path)) == ["test", "train"]


def test_several_tables_ask_for_a_choice(tmp_path: Path) -> None:
    for name in ("plates.csv", "people.csv"):
        (tmp_path / name).write_text("id\n1\n")
    with pytest.raises(ValueError, match="several tables .*people.csv, plates.csv"):
        records_of(tmp_path)
    assert len(records_of(tmp_path / "plates.csv")) == 1


def test_a_zip_is_read_as_it_lies(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_archive()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for path in folder.iterdir():
            packed.write(path, f"plates/{path.name}")
    files = Files(tmp_path / "a.zip")
    assert [record.values for record in read_records(files)] == values_of(folder)
    assert files.read(str(files.find("a.jpg", "plates/plates.csv"))) == (folder / "a.jpg").read_bytes()


NAMES = {
    "plain": "a.jpg",
    "in a folder": "photos/a.jpg",
    "with backslashes": r"photos\a.jpg",
    "with a dot": "./photos/a.jpg",
    "in other case": "PHOTOS/A.JPG",
    "decomposed": unicodedata.normalize("NFD", "photos/Café.jpg"),
    "composed": unicodedata.normalize("NFC", "photos/Café.jpg"),
    "bare": "Café.jpg",
}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_files_are_found_by_any_spelling_of_their_names(case: str, form: Any, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", unicodedata.normalize(form, "Café.jpg")):
        (tmp_path / "photos" / name).write_bytes(b"x")
    found = Files(tmp_path).find(NAMES[case], "plates.csv")
    assert found is not None and (tmp_path / found).is_file()


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "c:\\x.jpg", "http://a.b/c.jpg", "none.jpg", ""])
def test_other_names_are_not_found(name: str, make_archive: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    assert Files(make_archive()).find(name, "plates.csv") is None


def test_a_bare_name_that_two_files_have_is_not_guessed(tmp_path: Path) -> None:
    for folder in ("1", "2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(b"x")
    assert Files(tmp_path).find("a.jpg", "plates.csv") is None


def test_links_to_folders_are_followed_once(make_archive: Callable[..., Path]) -> None:
    folder = make_archive()
    os.symlink(folder, folder / "again")
    assert sorted(Files(folder).names) == ["a.jpg", "b.jpg", "plates.csv"]


def test_a_folder_of_too_many_files_is_refused(
    make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hf_mlm.data.mlm.archives.records.MAX_FILES", 2)
    with pytest.raises(ValueError, match="more than 2 files; give the folder of the archive alone"):
        Files(make_archive())


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"Expected a folder, a zip or a table .*a\.docx"):
        Files(tmp_path / "a.docx")


def test_a_file_is_found_by_its_name_in_another_form(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "Café.jpg")).write_bytes(b"x")
    assert same_name(tmp_path / unicodedata.normalize("NFC", "Café.jpg")).is_file()
    assert same_name(tmp_path / "none.jpg") == tmp_path / "none.jpg"
