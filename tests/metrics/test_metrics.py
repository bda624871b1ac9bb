import subprocess
import sys

import pytest

import hf_mlm.metrics


def test_metrics_import_without_numpy_or_evaluate():
    code = "import sys, hf_mlm.metrics; print([m for m in ('numpy', 'evaluate', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_functions_import_neither_torch_nor_evaluate():
    modules = ["bootstrap", "entities", "geo", "retrieval", "scores", "spans"]
    imports = "; ".join(f"import hf_mlm.metrics.functional.{module}" for module in modules)
    code = f"import sys; {imports}; print([m for m in ('evaluate', 'torch', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="there is no metric 'bleu'; choose one of entity_f1, geo, retrieval"):
        hf_mlm.metrics.path("bleu")
