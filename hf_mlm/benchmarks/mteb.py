"""MLM as retrieval tasks of MTEB: texts by images and images by texts, in each language of the summaries.

MTEB's own scores (nDCG@10 among them) are joined by the protocol of MLM: median rank and recall.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Literal

from datasets import Dataset, load_dataset


try:
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
except ImportError as error:
    raise ImportError("MTEB's tasks need mteb: pip install 'hf-mlm[mteb]'.") from error


LANGUAGES = {"en": ["eng-Latn"], "de": ["deu-Latn"], "fr": ["fra-Latn"]}
CITATION = r"""
@inproceedings{armitage2020mlm,
  author = {Armitage, Jason and Kacupaj, Endri and Tahmasebzadeh, Golsa and Swati and Maleshkova, Maria and Ewerth, Ralph and Lehmann, Jens},
  booktitle = {Proceedings of the 29th ACM International Conference on Information and Knowledge Management},
  title = {MLM: A Benchmark Dataset for Multitask Learning with Multiple Languages and Modalities},
  year = {2020},
}
"""  # noqa: E501, a title as it is


def _metadata(name: str, category: Literal["i2t", "t2i"], description: str) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        description=description,
        reference="https://doi.org/10.1145/3340531.3412783",
        dataset={"path": "mlm", "revision": "zenodo-3885753"},
        type="Any2AnyMultilingualRetrieval",
        category=category,
        modalities=["image", "text"],
        eval_splits=["test"],
        eval_langs=LANGUAGES,
        main_score="ndcg_at_10",
        date=("2019-01-01", "2020-06-30"),
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Image Text Retrieval"],
        license="cc-by-4.0",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation=CITATION,
    )


class _MLMRetrieval(AbsTaskRetrieval):
    """Both directions; a row of raw ``mlm`` with an image and a summary is a query and its one relevant document.

    Args:
        config: of ``mlm``: ``"irle-gr"``, ``"irle"`` or ``"demo"``, raw rows.
        **options: for ``load_dataset``, such as ``data_dir`` or ``size``.
    """

    queries_are: str

    def __init__(self, config: str = "demo", **options: Any):
        super().__init__()
        self.config, self.options = config, options

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Read the rows of the evaluated splits, in every language that is asked for."""
        if self.data_loaded:
            return
        self.dataset = {language: {} for language in self.hf_subsets}
        for split in self.metadata.eval_splits:
            rows = load_dataset("mlm", self.config, split=split, **self.options)
            for language in self.hf_subsets:
                self.dataset[language][split] = self._pairs(rows, language)
        self.data_loaded = True

    def _pairs(self, rows: Dataset, language: str) -> RetrievalSplitData:
        texts = [dict(summaries).get(language) for summaries in rows["summaries"][:]]
        kept = [row for row, text in enumerate(texts) if text and rows[row]["images"]]
        ids = [rows[row]["entity_id"] for row in kept]
        images = Dataset.from_dict({"id": ids, "image": [rows[row]["images"][0] for row in kept]})
        summaries = Dataset.from_dict({"id": ids, "text": [texts[row] for row in kept]})
        queries, corpus = (images, summaries) if self.queries_are == "image" else (summaries, images)
        relevant = {entity: {entity: 1} for entity in ids}
        return RetrievalSplitData(queries=queries, corpus=corpus, relevant_docs=relevant, top_ranked=None)

    def task_specific_scores(
        self, scores: Any, qrels: Any, results: dict[str, dict[str, float]], hf_split: str, hf_subset: str
    ) -> dict[str, float]:
        """Compute the median rank of the true match, 1 = first, and R@1, R@5, R@10 (MLM §6).

        Args:
            scores: of MTEB.
            qrels: query -> its relevant document.
            results: query -> score of each document that was retrieved; others count as the first beyond them.
            hf_split: that is evaluated.
            hf_subset: language.
        """
        ranks = []
        for query, found in results.items():
            own = found.get(query)
            ranks.append(1 + (len(found) if own is None else sum(score > own for score in found.values())))
        recalls = {f"R@{k}": sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 10)}
        return {"medR": float(median(ranks)), **recalls}


class MLMI2TRetrieval(_MLMRetrieval):
    """Summaries of settlements by their images."""

    metadata = _metadata("MLMI2TRetrieval", "i2t", "Retrieve the encyclopaedic summary of a settlement by its image.")
    queries_are = "image"


class MLMT2IRetrieval(_MLMRetrieval):
    """Images of settlements by their summaries."""

    metadata = _metadata("MLMT2IRetrieval", "t2i", "Retrieve the image of a settlement by its encyclopaedic summary.")
    queries_are = "text"


def mteb_model(folder: str) -> SentenceTransformerEncoderWrapper:
    """Open an IR+LE for ``mteb.evaluate``, which takes the model of a local folder for one of texts alone.

    Args:
        folder: output folder of a training on raw images and texts.
    """
    model = SentenceTransformerEncoderWrapper(folder)
    meta = model.mteb_model_meta
    model.mteb_model_meta = meta.model_copy(update={"modalities": ["image", "text"], "name": f"hf-mlm/{meta.name}"})
    return model
