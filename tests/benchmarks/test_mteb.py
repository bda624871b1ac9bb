"""MTEB's tasks on MLM, run by MTEB itself on an IR+LE through sentence-transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset


mteb = pytest.importorskip("mteb")
sentence_transformers = pytest.importorskip("sentence_transformers")


@pytest.mark.heavy
@pytest.mark.parametrize("direction", ["image_to_text", "text_to_image"])
def test_scores_are_those_of_the_report(direction: str, raw_model: Path, raw_folder: Path) -> None:
    from hf_mlm.benchmarks.mteb import MLMI2TRetrieval, MLMT2IRetrieval, mteb_model

    kind = MLMI2TRetrieval if direction == "image_to_text" else MLMT2IRetrieval
    options = {"data_dir": str(raw_folder), "min_entities": 1, "max_entities": 30}
    task = kind("irle", **options).filter_languages(["eng"])
    settings = {"cache": None, "show_progress_bar": False, "encode_kwargs": {"batch_size": 8}}
    scores = mteb.evaluate(mteb_model(str(raw_model)), task, **settings)[0].scores["test"][0]

    rows = load_dataset("mlm", "irle", split="test", **options)
    model = sentence_transformers.SentenceTransformer(str(raw_model), device="cpu")
    images = model.encode([row["images"][0] for row in rows])
    texts = model.encode([dict(row["summaries"])["en"] for row in rows])
    similar = (images @ texts.T).round(4)
    similar = similar if direction == "image_to_text" else similar.T
    ranks = 1 + (similar > np.diag(similar)[:, None]).sum(1)
    assert scores["medR"] == pytest.approx(np.median(ranks), abs=1)
    assert scores["R@5"] == pytest.approx((ranks <= 5).mean(), abs=0.1)  # texts of a city are nearly the same


def test_metadata_is_complete() -> None:
    from hf_mlm.benchmarks.mteb import MLMI2TRetrieval, MLMT2IRetrieval

    for kind in (MLMI2TRetrieval, MLMT2IRetrieval):
        assert kind.metadata.is_filled() and kind.metadata.languages == ["deu", "eng", "fra"]
