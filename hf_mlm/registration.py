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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


# Builder name -> module whose main class is the builder, then the modules and packages whose code shapes its rows:
# an edit of any of them starts a new cache.
_SHARED = ("hf_mlm.data.builder", "hf_mlm.data.formats", "hf_mlm.data.splits", "hf_mlm.world", "hf_mlm.geo")
BUILDERS = {"mlm": ("hf_mlm.data.mlm", *_SHARED), "mmnerd": ("hf_mlm.data.mmnerd", *_SHARED)}


@dataclass(frozen=True)
class ModelEntry:
    """Where the classes of one ``model_type`` live, as ``"module:Class"``."""

    config: str
    processor: str | None = None
    auto_models: dict[str, str] = field(default_factory=dict)  # name of the Auto class -> model


MODELS = {
    "irle": ModelEntry(
        config="hf_mlm.models.irle.configuration_irle:IRLEConfig",
        processor="hf_mlm.models.irle.processing_irle:IRLEProcessor",
        auto_models={"AutoModel": "hf_mlm.models.irle.modeling_irle:IRLEForRetrievalAndGeo"},
    ),
    "crf_tagger": ModelEntry(
        config="hf_mlm.models.crf_tagger.configuration_crf_tagger:CRFTaggerConfig",
        processor="hf_mlm.models.tagger_processor:TaggerProcessor",
        auto_models={
            "AutoModelForTokenClassification": (
                "hf_mlm.models.crf_tagger.modeling_crf_tagger:CRFTaggerForTokenClassification"
            )
        },
    ),
    "bilstm_crf": ModelEntry(
        config="hf_mlm.models.bilstm_crf.configuration_bilstm_crf:BiLSTMCRFConfig",
        processor="hf_mlm.models.word_level.processing:WordLevelProcessor",
        auto_models={
            "AutoModelForTokenClassification": (
                "hf_mlm.models.bilstm_crf.modeling_bilstm_crf:BiLSTMCRFForTokenClassification"
            )
        },
    ),
    "hbilstm_crf": ModelEntry(
        config="hf_mlm.models.hbilstm_crf.configuration_hbilstm_crf:HBiLSTMCRFConfig",
        processor="hf_mlm.models.word_level.processing:WordLevelProcessor",
        auto_models={
            "AutoModelForTokenClassification": (
                "hf_mlm.models.hbilstm_crf.modeling_hbilstm_crf:HBiLSTMCRFForTokenClassification"
            )
        },
    ),
    "adacan": ModelEntry(
        config="hf_mlm.models.adacan.configuration_adacan:AdaCANConfig",
        processor="hf_mlm.models.adacan.processing_adacan:AdaCANProcessor",
        auto_models={
            "AutoModelForTokenClassification": "hf_mlm.models.adacan.modeling_adacan:AdaCANForTokenClassification"
        },
    ),
    "two_mner": ModelEntry(
        config="hf_mlm.models.two_mner.configuration_two_mner:TwoMNERConfig",
        processor="hf_mlm.models.two_mner.processing_two_mner:TwoMNERProcessor",
        auto_models={
            "AutoModelForTokenClassification": (
                "hf_mlm.models.two_mner.modeling_two_mner:TwoMNERForTokenClassification"
            )
        },
    ),
    "umt": ModelEntry(
        config="hf_mlm.models.umt.configuration_umt:UMTConfig",
        processor="hf_mlm.models.two_mner.processing_two_mner:TwoMNERProcessor",
        auto_models={"AutoModelForTokenClassification": "hf_mlm.models.umt.modeling_umt:UMTForTokenClassification"},
    ),
    "umgf": ModelEntry(
        config="hf_mlm.models.umgf.configuration_umgf:UMGFConfig",
        processor="hf_mlm.models.region_processor:RegionProcessor",
        auto_models={"AutoModelForTokenClassification": "hf_mlm.models.umgf.modeling_umgf:UMGFForTokenClassification"},
    ),
    "mkgformer": ModelEntry(
        config="hf_mlm.models.mkgformer.configuration_mkgformer:MKGFormerConfig",
        processor="hf_mlm.models.region_processor:RegionProcessor",
        auto_models={
            "AutoModelForTokenClassification": (
                "hf_mlm.models.mkgformer.modeling_mkgformer:MKGFormerForTokenClassification"
            )
        },
    ),
}


# Task -> the pipeline's class, and the Auto classes that open its models: the second one those of other tasks, so that
# the pipeline refuses them in a sentence.
_TAGGER, _ANY = "AutoModelForTokenClassification", "AutoModel"
PIPELINES = {
    "multimodal-ner": ("hf_mlm.pipelines.multimodal_ner:MultimodalNERPipeline", (_TAGGER, _ANY)),
    "cross-modal-retrieval": (
        "hf_mlm.pipelines.cross_modal_retrieval:CrossModalRetrievalPipeline",
        (_ANY, _TAGGER),
    ),
    "geo-estimation": ("hf_mlm.pipelines.geo_estimation:GeoEstimationPipeline", (_ANY, _TAGGER)),
}


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
            "or use the builder class itself: hf_mlm.data.mlm.MLM(config_name=…, data_dir=…)."
        ) from error
    for name, sources in BUILDERS.items():
        packaged[name] = (sources[0], _source_hash(sources))
    if getattr(base, "_knows_hf_mlm", False):
        return

    class PackagedDatasetModuleFactory(base):
        """Hands our builders their ``data_dir`` as it is, where the base class would list every file below it."""

        _knows_hf_mlm = True

        def get_module(self) -> Any:
            if self.name not in BUILDERS or self.data_files is not None:
                return super().get_module()
            module, source_hash = packaged[self.name]
            kwargs = {"dataset_name": self.name, "data_files": load.DataFilesDict()}
            return load.DatasetModule(module, source_hash, kwargs)

    load.PackagedDatasetModuleFactory = PackagedDatasetModuleFactory


def register_configs() -> None:
    """Make ``AutoConfig`` open the package's models."""
    for model_type, entry in MODELS.items():
        _register("transformers.models.auto.configuration_auto:AutoConfig", model_type, entry.config)


_NEEDED_BY_MODELS = (
    "transformers.models.auto.modeling_auto:AutoModel",
    "transformers.modeling_layers:GradientCheckpointingLayer",
)


def register_models() -> None:
    """Make the Auto classes open the package's models.

    The layers of transformers, which some of these are made of, ask for the Auto classes while they are imported
    themselves: who imports a model of transformers' own first gets here with half of them, and once more afterwards.
    """
    if any(_resolve(path) is None for path in _NEEDED_BY_MODELS):
        return
    for entry in MODELS.values():
        for auto_class, model in entry.auto_models.items():
            _register(f"transformers.models.auto.modeling_auto:{auto_class}", entry.config, model)


def register_processors() -> None:
    """Make ``AutoProcessor`` open the package's processors; without it transformers hands out a bare tokenizer."""
    for entry in MODELS.values():
        if entry.processor is not None:
            _register("transformers.models.auto.processing_auto:AutoProcessor", entry.config, entry.processor)


def register_pipelines() -> None:
    """Make ``pipeline`` know the package's tasks."""
    registry = _resolve("transformers.pipelines:PIPELINE_REGISTRY")
    for task, (path, auto_classes) in PIPELINES.items():
        pipeline_class = None if registry is None else _resolve(path)
        if pipeline_class is not None and task not in registry.supported_tasks:
            models = tuple(_resolve(f"transformers.models.auto.modeling_auto:{name}") for name in auto_classes)
            registry.register_pipeline(task, pipeline_class, pt_model=models, type="multimodal")


AUTO_HOOKS: dict[str, Callable[[], None]] = {
    "transformers.models.auto.configuration_auto": register_configs,
    "transformers.models.auto.modeling_auto": register_models,
    "transformers.modeling_layers": register_models,
    "transformers.models.auto.processing_auto": register_processors,
    "transformers.pipelines": register_pipelines,
}


def register_late() -> None:
    """Register a class whose own module had asked for the Auto class and so was unfinished when that was imported."""
    for module, function in AUTO_HOOKS.items():
        if module in sys.modules:
            function()


_PATHS = [
    path for entry in MODELS.values() for path in (entry.config, entry.processor, *entry.auto_models.values()) if path
] + [path for path, _ in PIPELINES.values()]
HOOKS: dict[str, Callable[[], None]] = {
    "datasets.load": register_builders,
    **AUTO_HOOKS,
    **{path.split(":")[0]: register_late for path in _PATHS},
}


def install_hooks() -> None:
    """Run each function of ``HOOKS`` once its module is imported: now where it already is, later otherwise."""
    if not any(isinstance(finder, _PostImportFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PostImportFinder())
    for module, function in HOOKS.items():
        if module in sys.modules:
            function()


class _PostImportFinder(importlib.abc.MetaPathFinder):
    """Finds a hooked module as everyone else would, and has its loader call the hook afterwards."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in HOOKS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                _call_after(spec.loader, HOOKS[fullname])
                return spec
        return None


def _call_after(loader: Any, hook: Callable[[], None]) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        hook()

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


def _source_hash(names: Sequence[str]) -> str:
    """SHA-256 of the source of modules and packages, found without importing them."""
    digest = hashlib.sha256()
    for name in names:
        path = Path(__file__).parent.parent.joinpath(*name.split("."))
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()
