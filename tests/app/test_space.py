from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import hf_mlm
from hf_mlm.app.opening import GalleryRows


pytest.importorskip("gradio", reason="no gradio: pip install 'hf-mlm[app]'")

from hf_mlm.app import page  # noqa: E402
from hf_mlm.app.page import RESPONSIBLE_USE  # noqa: E402
from hf_mlm.app.space import write_space  # noqa: E402


def test_the_files_serve_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = GalleryRows("demo", "test", {"size": 600})
    folder = write_space(tmp_path / "space", ["me/irle", "me/ner"], rows)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "app.py", "requirements.txt"]

    served: list[tuple[object, ...]] = []
    monkeypatch.setattr(page, "serve", lambda *arguments: served.append(arguments))
    exec(compile((folder / "app.py").read_text(), "app.py", "exec"), {})
    assert served == [(["me/irle", "me/ner"], rows)]

    _, front, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    settings = yaml.safe_load(front)
    assert (settings["sdk"], settings["sdk_version"], settings["app_file"]) == ("gradio", version("gradio"), "app.py")
    assert settings["models"] == ["me/irle", "me/ner"] and len(settings["short_description"]) <= 60
    assert RESPONSIBLE_USE in body
    requirement = Requirement((folder / "requirements.txt").read_text().strip())
    assert requirement.name == "hf-mlm" and requirement.extras == {"app", "demo"}
    assert requirement.specifier.contains(hf_mlm.__version__)


def test_what_the_hub_cannot_read_is_refused_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for names, gallery, message in [
        ([str(tmp_path / "model")], None, "is not the id of one: hf-mlm push model"),
        (["irle"], None, "is not the id of one"),
        ([], None, "there is no model"),
        (["me/irle"], "folder", "a Space cannot read the folder 'folder'"),
    ]:
        with pytest.raises(ValueError, match="^[^\n]*$") as raised:
            write_space(tmp_path / "space", names, gallery)
        assert message in str(raised.value)
    assert not (tmp_path / "space").exists()
    write_space(tmp_path / "space", ["me/irle"])
    with pytest.raises(FileExistsError, match="is there already: name another folder"):
        write_space(tmp_path / "space", ["me/other"])
    assert "me/irle" in (tmp_path / "space" / "app.py").read_text()
