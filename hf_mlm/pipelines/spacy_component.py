"""The spaCy component ``hf_mlm``: entities of a tagger, aligned to spaCy's tokens (extra ``spacy``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import filter_spans, minibatch
from transformers import pipeline

import hf_mlm  # noqa: F401, registers the pipelines


@Language.factory("hf_mlm", assigns=["doc.ents", "token.ent_iob", "token.ent_type"])
def make_component(
    nlp: Language, name: str, model: str, min_score: float | dict[str, float] = 0.0, batch_size: int = 32
) -> EntityComponent:
    """Make the component of ``nlp.add_pipe("hf_mlm", config={"model": "runs/crf"})``.

    Args:
        nlp: spaCy's pipeline.
        name: of the component in it.
        model: folder of a tagger, or its name on the Hub; opened when the first text comes.
        min_score: entities of lower scores are left out; one number, or one for each type.
        batch_size: rows of a batch in ``nlp.pipe``.
    """
    return EntityComponent(model, min_score, batch_size)


class EntityComponent:
    """Sets ``doc.ents``, each widened to whole tokens, by ``multimodal-ner``.

    A text whose ``doc.user_data["image"]`` is an image is read with it. The arguments are those of `make_component`.
    """

    def __init__(self, model: str | Path, min_score: float | dict[str, float] = 0.0, batch_size: int = 32):
        self.model, self.min_score, self.batch_size = model, min_score, batch_size

    @cached_property
    def tagger(self) -> Any:
        """The pipeline, opened when it is first asked for."""
        return pipeline("multimodal-ner", model=str(self.model), min_score=self.min_score)

    def __call__(self, doc: Doc) -> Doc:
        """Find the entities of a text."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int | None = None) -> Iterator[Doc]:
        """Find the entities of texts, in batches.

        Args:
            stream: of texts, of which some hundreds are read ahead.
            batch_size: spaCy's own, which is left aside: that of the component counts.
        """
        for docs in minibatch(stream, self.batch_size * self.tagger.batches_ahead):
            inputs = [{"text": doc.text, "image": doc.user_data.get("image")} for doc in docs]
            for doc, found in zip(docs, self.tagger(inputs, batch_size=self.batch_size), strict=True):
                ends = ((entity["start"], entity["end"], entity["entity_group"]) for entity in found)
                spans = (doc.char_span(*end, alignment_mode="expand") for end in ends)
                doc.set_ents(filter_spans([span for span in spans if span is not None]))
                yield doc

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save model and processor into a folder."""
        self.tagger.model.save_pretrained(path)
        self.tagger.processor.save_pretrained(path)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> EntityComponent:
        """Open what `to_disk` saved, wherever the first model came from."""
        self.__dict__.pop("tagger", None)
        self.model = Path(path)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save model and processor as bytes."""
        import srsly

        with TemporaryDirectory() as folder:
            self.to_disk(folder)
            return srsly.msgpack_dumps({path.name: path.read_bytes() for path in Path(folder).iterdir()})

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> EntityComponent:
        """Open what `to_bytes` saved."""
        import srsly

        with TemporaryDirectory() as folder:
            for name, content in srsly.msgpack_loads(data).items():
                (Path(folder) / Path(name).name).write_bytes(content)
            self.from_disk(folder).tagger  # noqa: B018, opened while the files are there
        return self
