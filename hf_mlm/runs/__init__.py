"""Runs on disk: settings, checkpoints, provenance, results, and the way to open a trained model."""

from hf_mlm.runs.open_model import open_model


__all__ = ["open_model"]
