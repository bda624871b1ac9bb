"""The only file that writes into another library's tables.

``import hf_mlm`` installs one post-import hook for each table that the package appears in: when that module of
``datasets`` or ``transformers`` has been imported, by whomever and whenever, the matching ``register_*`` function
runs. Neither library is imported for the sake of registration, so both import orders work and neither costs anything.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from hf_mlm.registry import DATASETS, MODELS, PIPELINES, TOKEN_CLASSIFICATION, DatasetEntry, ModelEntry


def register() -> None:
    """Register everything now, importing ``datasets`` and ``transformers``; ``import hf_mlm`` does it lazily."""
    for module, function in HOOKS.items():
        importlib.import_module(module)
        function()


def register_builders() -> None:
    """Make ``load_dataset("mlm", …)`` find the package's builders by their bare names."""
    try:
        load: Any = importlib.import_module("datasets.load")
        packaged = importlib.import_module("datasets.packaged_modules")._PACKAGED_DATASETS_MODULES
        base: Any = load.PackagedDatasetModuleFactory
    except AttributeError as error:
        raise ImportError(
            f"hf_mlm cannot register its datasets with this version of `datasets` ({error}); install datasets>=4.0, "
            "or use the builder class itself: hf_mlm.data.mlm.builder.MLM(config_name=…, data_dir=…)."
        ) from error
    for name, entry in DATASETS.items():
        packaged[name] = (entry.builder, source_hash(entry))
    if getattr(base, "_knows_hf_mlm", False):
        return

    class PackagedDatasetModuleFactory(base):
        """Hands our builders their ``data_dir`` as it is, where the base class would list every file below it."""

        _knows_hf_mlm = True

        def get_module(self) -> Any:
            if self.name not in DATASETS or self.data_files is not None:
                return super().get_module()
            module, source_hash = packaged[self.name]
            kwargs = {"dataset_name": self.name, "data_files": load.DataFilesDict()}
            return load.DatasetModule(module, source_hash, kwargs)

    load.PackagedDatasetModuleFactory = PackagedDatasetModuleFactory


def register_configs(models: Mapping[str, ModelEntry] = MODELS) -> None:
    """Make ``AutoConfig`` open the package's models."""
    for model_type, entry in models.items():
        _register("transformers.models.auto.configuration_auto:AutoConfig", model_type, entry.config)


_NEEDED_BY_MODELS = (
    "transformers.models.auto.modeling_auto:AutoModel",
    "transformers.modeling_layers:GradientCheckpointingLayer",
)


def register_models(models: Mapping[str, ModelEntry] = MODELS) -> None:
    """Make the Auto classes open the package's models.

    The layers of transformers, which some of these are made of, ask for the Auto classes while they are imported
    themselves: who imports a model of transformers' own first gets here with half of them, and once more afterwards.
    """
    if any(_resolve(path) is None for path in _NEEDED_BY_MODELS):
        return
    for entry in models.values():
        _register(f"transformers.models.auto.modeling_auto:{entry.auto_class}", entry.config, entry.model)


def register_processors(models: Mapping[str, ModelEntry] = MODELS) -> None:
    """Make ``AutoProcessor`` open the package's processors; without it transformers hands out a bare tokenizer."""
    for entry in models.values():
        _register("transformers.models.auto.processing_auto:AutoProcessor", entry.config, entry.processor)


def register_pipelines() -> None:
    """Make ``pipeline`` know the package's tasks."""
    registry = _resolve("transformers.pipelines:PIPELINE_REGISTRY")
    for task, entry in PIPELINES.items():
        pipeline_class = None if registry is None else _resolve(entry.pipeline)
        if pipeline_class is not None and task not in registry.supported_tasks:
            # The second Auto class opens models of the other tasks, so that the pipeline refuses them in a sentence.
            others = {"AutoModel", "AutoModelForTokenClassification"} - {entry.auto_class}
            names = (entry.auto_class, *others)
            models = tuple(_resolve(f"transformers.models.auto.modeling_auto:{name}") for name in names)
            registry.register_pipeline(task, pipeline_class, pt_model=models, type="multimodal")
    ours = None if registry is None else _resolve(TOKEN_CLASSIFICATION)
    if ours is not None:
        registry.supported_tasks["token-classification"]["impl"] = ours


_MODEL_HOOKS = {
    "transformers.models.auto.configuration_auto": register_configs,
    "transformers.models.auto.modeling_auto": register_models,
    "transformers.modeling_layers": register_models,
    "transformers.models.auto.processing_auto": register_processors,
}


def _register_late(models: Mapping[str, ModelEntry]) -> None:
    """Register models one of whose modules was unfinished when the Auto classes were imported, as it asked for them.

    These models alone: the modules of others may be half imported themselves.
    """
    for module, function in _MODEL_HOOKS.items():
        if module in sys.modules:
            function(models)


def _late_hooks() -> dict[str, Callable[[], None]]:
    """Map each module of a model to the hook that registers the models it belongs to."""
    owners: dict[str, dict[str, ModelEntry]] = {}
    for model_type, entry in MODELS.items():
        for path in (entry.config, entry.model, entry.processor):
            owners.setdefault(path.partition(":")[0], {})[model_type] = entry
    return {module: partial(_register_late, models) for module, models in owners.items()}


def _pipelines_late() -> None:
    if "transformers.pipelines" in sys.modules:
        register_pipelines()


HOOKS: dict[str, Callable[[], None]] = {
    "datasets.load": register_builders,
    **_MODEL_HOOKS,
    "transformers.pipelines": register_pipelines,
    **_late_hooks(),
    **{entry.pipeline.partition(":")[0]: _pipelines_late for entry in PIPELINES.values()},
}


def install_hooks() -> None:
    """Run each function of ``HOOKS`` once its module is imported: now where it already is, later otherwise.

    A finder of this package that is there already, from an import that was purged or from another copy on the path, is
    replaced: two of them would call each other without end.
    """
    sys.meta_path[:] = [finder for finder in sys.meta_path if not getattr(finder, "is_hf_mlm_finder", False)]
    sys.meta_path.insert(0, _PostImportFinder())
    for module, function in HOOKS.items():
        if module in sys.modules:
            function()


class _PostImportFinder(importlib.abc.MetaPathFinder):
    """Finds modules as everyone else would, and has the loaders of hooked ones call their hooks afterwards."""

    is_hf_mlm_finder = True  # known by this mark, as a class of an earlier import is no longer this class

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in HOOKS and not fullname.startswith("hf_mlm."):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                _call_after(spec.loader, HOOKS.get(fullname))
                return spec
        return None


class _Imports(threading.local):
    """Imports of this thread that are under way, and the hooks that wait for the outermost of them."""

    depth = 0

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []


_imports = _Imports()


def _call_after(loader: Any, hook: Callable[[], None] | None) -> None:
    """Have a loader call a hook when no module of ours is half imported, as hooks import others that may need it."""
    execute, imports = loader.exec_module, _imports  # reloading this module makes others

    def exec_module(module: ModuleType) -> None:
        imports.depth += 1
        try:
            execute(module)
        finally:
            imports.depth -= 1
        if hook is not None and hook not in imports.waiting:
            imports.waiting.append(hook)
        while imports.waiting and not imports.depth:
            imports.waiting.pop(0)()

    loader.exec_module = exec_module


def _register(auto_path: str, *arguments: str) -> None:
    """Call ``register`` of an Auto class, unless it or an argument is still being imported: `register_late` will."""
    resolved: list[Any] = []
    for path in (auto_path, *arguments):  # in this order: our modules need the Auto class's to be finished
        resolved.append(_resolve(path) if ":" in path else path)
        if resolved[-1] is None:
            return
    auto_class, *values = resolved
    auto_class.register(*values, exist_ok=True)


def _resolve(path: str) -> Any:
    """What ``"module:name"`` stands for; None while its module is still being imported."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name, None)


def source_hash(entry: DatasetEntry) -> str:
    """Compute the SHA-256 of the source of a dataset's packages, found without importing them.

    Args:
        entry: whose builder and packages are read.

    Raises:
        FileNotFoundError: if a package is not there, so that a moved file cannot leave a stale cache.
    """
    digest = hashlib.sha256()
    for name in (entry.builder, *entry.packages):
        path = Path(__file__).parent.parent.joinpath(*name.split("."))
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()
