"""Whatever is imported first, transformers' Auto classes know the package's models."""

from __future__ import annotations

import pytest

from hf_mlm.registry import MODELS, PIPELINES
from tests.models.common import run_python


CHECK = """
from hf_mlm.registry import MODELS, PIPELINES
from transformers.models.auto import configuration_auto, modeling_auto, processing_auto

def name(cls): return f"{cls.__module__}:{cls.__name__}"
for model_type, entry in MODELS.items():
    config = type(configuration_auto.AutoConfig.for_model(model_type))
    assert name(config) == entry.config, config
    assert name(getattr(modeling_auto, entry.auto_class)._model_mapping[config]) == entry.model
    assert name(processing_auto.PROCESSOR_MAPPING[config]) == entry.processor

from transformers.pipelines import PIPELINE_REGISTRY
for task, entry in PIPELINES.items():
    assert name(PIPELINE_REGISTRY.check_task(task)[1]["impl"]) == entry.pipeline
"""
FIRST_IMPORTS = {
    "the package, then transformers": ["import hf_mlm"],
    "transformers, then the package": [
        "from transformers import AutoConfig, AutoModel, AutoProcessor, AutoTokenizer, Trainer, pipeline",
        "import hf_mlm",
    ],
    "the models' own modules": [
        f"import {path.split(':')[0]}" for e in MODELS.values() for path in (e.model, e.processor, e.config)
    ],
    "the pipelines' modules": [f"import {e.pipeline.split(':')[0]}" for e in PIPELINES.values()],
    "the processors' modules": [f"import {e.processor.split(':')[0]}" for e in MODELS.values()],
}


@pytest.mark.heavy
@pytest.mark.parametrize("first", FIRST_IMPORTS.values(), ids=list(FIRST_IMPORTS))
def test_import_order_does_not_matter(first: list[str]) -> None:
    run_python(["-c", "\n".join([*first, CHECK])])


def test_a_configuration_is_opened_without_any_model() -> None:
    code = "import hf_mlm, sys; from transformers import AutoConfig; AutoConfig.for_model('irle')"
    run_python(["-c", f"{code}; assert not any('modeling_irle' in name for name in sys.modules)"])
