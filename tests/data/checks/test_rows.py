from pathlib import Path

from hf_mlm.data.checks.rows import read_rows


def test_rows_tell_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("IMGID:O_1\nx\tI-LOC\ny\tO\n\nIMGID:z\nz\tX\n")
    first, second = read_rows([("fr", "test", str(tmp_path / "a"))])
    assert (first.where, first.text, first.source) == (f"{tmp_path}/a:2", "x y", "twitter")
    assert (second.where, second.language, second.split, second.source) == (f"{tmp_path}/a:6", "fr", "test", "")
