"""What happens to `datasets` when the package is imported, before or after it, in a process of its own."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hf_mlm
from hf_mlm import registration
from hf_mlm.registry import DATASETS, DatasetEntry


SAMPLE = """
import json, h5py
with h5py.File("train.h5", "w") as file:
    file["ids"] = [64]
    file["64_images"] = file["64_summaries"] = [[1.0, 2.0]]
"""
LOAD = 'print(load_dataset("mlm", "irle", data_dir=".")["train"]["entity_id"][:])'
ORDERS = {
    "ours first": "import hf_mlm\nfrom datasets import load_dataset",
    "ours second": "from datasets import load_dataset\nimport hf_mlm",
    "ours between": "import datasets\nimport hf_mlm\nfrom datasets import load_dataset",
    "by name": "from hf_mlm import registration\nregistration.register_builders()\nfrom datasets import load_dataset",
}


def python(code: str, folder: Path) -> str:
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize("order", ORDERS)
def test_the_builder_is_found_in_every_order_of_imports(order: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    assert python(f"{SAMPLE}\n{ORDERS[order]}\n{LOAD}", tmp_path) == "['Q64']"


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import hf_mlm, sys; print([n for n in ('torch', 'transformers', 'datasets', 'numpy') if n in sys.modules])"
    assert python(code, tmp_path) == "[]"


def test_importing_the_builder_imports_no_torch(tmp_path: Path) -> None:
    code = "import hf_mlm.data.mlm.builder, sys; print([n for n in ('torch', 'transformers') if n in sys.modules])"
    assert python(code, tmp_path) == "[]"


@pytest.mark.parametrize(
    "order", ["import hf_mlm\nfrom transformers import BertModel", "from transformers import BertModel\nimport hf_mlm"]
)
def test_the_models_are_found_in_every_order_of_imports(order: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    code = """
from transformers.models.auto import modeling_auto
from hf_mlm.registration import _resolve
from hf_mlm.registry import MODELS
missing = [
    model_type
    for model_type, entry in MODELS.items()
    if getattr(modeling_auto, entry.auto_class)._model_mapping.get(_resolve(entry.config), None)
    is not _resolve(entry.model)
]
print(missing)
"""
    assert python(order + code, tmp_path) == "[]"


def test_registering_twice_changes_nothing() -> None:
    load = pytest.importorskip("datasets.load")
    registration.register_builders()
    factory = load.PackagedDatasetModuleFactory
    registration.register_builders()
    assert load.PackagedDatasetModuleFactory is factory


def test_other_datasets_are_found_as_before(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    rows = datasets.load_dataset("csv", data_dir=str(tmp_path))["train"]
    assert rows["x"][:] == [1, 2]


def test_an_edit_of_any_source_starts_a_new_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hf_mlm"
    (package / "data" / "mlm").mkdir(parents=True)
    (package / "data" / "builder.py").write_text("a = 1")
    (package / "data" / "mlm" / "hdf5.py").write_text("b = 1")
    monkeypatch.setattr(registration, "__file__", str(package / "registration.py"))
    entry = DatasetEntry("hf_mlm.data.builder", ("hf_mlm.data.mlm",))
    before = registration.source_hash(entry)
    assert registration.source_hash(entry) == before
    (package / "data" / "mlm" / "hdf5.py").write_text("b = 2")
    assert registration.source_hash(entry) != before


def test_every_named_source_exists() -> None:
    root = Path(hf_mlm.__file__).parent.parent
    for entry in DATASETS.values():
        for name in (entry.builder, *entry.packages):
            path = root.joinpath(*name.split("."))
            assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_a_version_of_datasets_without_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: Any = pytest.importorskip("datasets.packaged_modules")
    monkeypatch.delattr(modules, "_PACKAGED_DATASETS_MODULES")
    with pytest.raises(
        ImportError, match=r"install datasets>=4.0, or use the builder .*: hf_mlm\.data\.mlm\.builder\.MLM"
    ):
        registration.register_builders()


SOURCES_ALONE = shutil.ignore_patterns("__pycache__")
FINDERS = "[type(finder).__name__ for finder in sys.meta_path].count('_PostImportFinder')"
AGAIN = {
    "purged and imported again": "[sys.modules.pop(name) for name in list(sys.modules) if name.startswith('hf_mlm')]\n"
    "import hf_mlm",
    "reloaded": "import importlib\nimportlib.reload(hf_mlm.registration)\nimportlib.reload(hf_mlm)",
    "reloaded twice": "import importlib\n"
    "for _ in range(2):\n    importlib.reload(sys.modules['hf_mlm.registration'])\n    importlib.reload(hf_mlm)",
    "from another copy": "[sys.modules.pop(name) for name in list(sys.modules) if name.startswith('hf_mlm')]\n"
    "sys.path.insert(0, 'copy')\nimport hf_mlm\nassert 'copy' in hf_mlm.__file__",
}


@pytest.mark.parametrize("before", ["", "import datasets.load, transformers.models.auto.modeling_auto"])
@pytest.mark.parametrize("way", AGAIN)
def test_a_second_import_replaces_the_first(way: str, before: str, tmp_path: Path) -> None:
    if "copy" in way:
        shutil.copytree(Path(hf_mlm.__file__).parent, tmp_path / "copy" / "hf_mlm", ignore=SOURCES_ALONE)
    code = f"import sys\nimport hf_mlm\n{before}\n{AGAIN[way]}\n"
    code += "from transformers import AutoModel, AutoProcessor, pipelines\nfrom datasets import load_dataset\n"
    code += "hf_mlm.IRLEForRetrievalAndGeo(hf_mlm.IRLEConfig(num_geo_cells=2, embedding_size=2))\n"
    code += f"print({FINDERS}, hf_mlm.IRLEConfig in AutoModel._model_mapping)"
    assert python(code, tmp_path) == "1 True"


def test_threads_that_import_at_once_find_everything(tmp_path: Path) -> None:
    code = """
import importlib, threading
import hf_mlm
names = ["transformers.models.auto.modeling_auto", "hf_mlm.models.two_mner.modeling_two_mner", "datasets.load"] * 2
threads = [threading.Thread(target=importlib.import_module, args=(name,)) for name in names]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
from transformers import AutoModelForTokenClassification
print(hf_mlm.TwoMNERConfig in AutoModelForTokenClassification._model_mapping)
"""
    assert python(code, tmp_path) == "True"


MODULES = ["models.word_level.modeling", "models.base.modeling", "models.base.regions", "models.layers.crf", "runs"]


@pytest.mark.parametrize("module", MODULES)
def test_any_module_can_be_the_first(module: str, tmp_path: Path) -> None:
    code = f"import hf_mlm.{module}\nfrom transformers import AutoModelForTokenClassification as auto\n"
    assert python(code + "print(hf_mlm.UMTConfig in auto._model_mapping)", tmp_path) == "True"
