"""Trained models as ONNX files, with decoding in the graph: ``hf-mlm export``."""
