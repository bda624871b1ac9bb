"""Embeddings and figures of a trained model on a split."""

from __future__ import annotations

import tempfile
from typing import Any

from datasets import Dataset

from hf_mlm.data.collators import DataCollatorForRetrievalAndGeo
from hf_mlm.data.features import FeatureTable
from hf_mlm.data.raw_rows import RawRows
from hf_mlm.models.irle import IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.training.arguments import IRLETrainingArguments
from hf_mlm.training.building import has_features
from hf_mlm.training.evaluation import RetrievalAndGeoMetrics
from hf_mlm.training.trainer import IRLETrainer


PREFIX = "test"


def score(
    model: IRLEForRetrievalAndGeo,
    processor: IRLEProcessor | None,
    rows: Dataset,
    batch_size: int = 64,
    pool_size: int = 500,
    pools: int = 10,
    resamples: int = 1000,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a model over a split as training's evaluation does, in one process or several.

    Args:
        model: that reads such rows.
        processor: of raw rows.
        rows: the split.
        batch_size: rows of a batch in each process.
        pool_size: candidates that retrieval is measured among.
        pools: draws of that many.
        resamples: bootstrap draws for the intervals of the retrieval figures.

    Returns:
        The metrics of `RetrievalAndGeoMetrics` and the losses, and its reduced predictions: arrays of embeddings,
        cells and places in the order of the rows.
    """
    metrics = RetrievalAndGeoMetrics(model.config, pool_size, pools)
    with tempfile.TemporaryDirectory() as folder:
        trainer = IRLETrainer(
            model,
            IRLETrainingArguments(folder, per_device_eval_batch_size=batch_size, report_to="none"),
            data_collator=DataCollatorForRetrievalAndGeo(processor),
            compute_metrics=metrics.of(rows, resamples),
            preprocess_logits_for_metrics=metrics.reduce,
        )
        output = trainer.predict(FeatureTable(rows) if has_features(rows) else RawRows(rows), metric_key_prefix=PREFIX)
    figures = {name.removeprefix(f"{PREFIX}_"): value for name, value in (output.metrics or {}).items()}
    return figures, output.predictions
