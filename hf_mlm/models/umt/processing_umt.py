"""Sentences and images made ready for UMT."""

from __future__ import annotations

from hf_mlm.models.base.processing import ImageTaggerProcessor


class UMTProcessor(ImageTaggerProcessor):
    """Encodes words and images for a `UMTForTokenClassification`, with the arguments of `ImageTaggerProcessor`."""
