"""A model's card, written from its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Template
from typing import Any

import yaml
from datasets import Dataset
from huggingface_hub import ModelCard, ModelCardData

from hf_mlm.data.mmnerd.schemes import TAGS, TYPES, types_of
from hf_mlm.publishing.cards import (
    CITATIONS,
    HOME,
    LIBRARY,
    ORIGINS,
    OWN,
    TEMPLATES,
    check_licence,
    code,
    escape,
    markdown_table,
    with_front_matter,
)
from hf_mlm.publishing.run_facts import IRLE, RunFacts, card_metrics, eval_results, metric_table


UNKNOWN_LICENCE = "unknown"
KINDS = {
    "two_mner": "2M-NER: entities in a sentence, with the help of its image "
    "([Wang et al., 2024](https://arxiv.org/abs/2404.17122)).",
    "crf_tagger": "A CRF on a text encoder: entities in a sentence, from the text alone.",
}
_SHORT_TEXTS = (
    "- Captions and posts are short and have an image beside them; running text is another kind, and is tagged\n"
    "  worse.\n"
)
_DEMO_LIMITS = (
    "- It was trained on the embedded world of `hf-mlm demo`, whose sentences are generated around real facts\n"
    "  and whose images are overhead patches of 474 km: a demonstration, of no use for photographs.\n"
)
_METHODS = {  # where the data has no paper of its own
    "mlm": "The method: Armitage et al., CIKM 2020, Section 5, https://doi.org/10.1145/3340531.3412783.",
    "mmnerd": "The method: Wang et al., 2024, https://arxiv.org/abs/2404.17122.",
}


def model_card(
    facts: RunFacts,
    repo_id: str,
    licence: str | None = None,
    others: Mapping[str, RunFacts] | None = None,
    pictures: Mapping[str, str] | None = None,
    gallery: Dataset | None = None,
) -> ModelCard:
    """Write a card from what a run left; what it did not record, the card says is not known.

    Args:
        facts: of the run.
        repo_id: where the model will be.
        licence: of the weights, by the Hub's name for it; see `chosen_licence` when omitted.
        others: further runs to compare with, by name.
        pictures: captions by file name.
        gallery: entities of the gallery that goes with it.

    Raises:
        ValueError: as `chosen_licence`.
    """
    licence = chosen_licence(facts, licence)
    template = Template((TEMPLATES / ("irle.md" if facts.model_type == IRLE else "tagger.md")).read_text("utf-8"))
    body = template.substitute(
        name=repo_id.split("/")[-1],
        home=HOME,
        description=KINDS.get(facts.model_type, f"A tagger of the kind `{facts.model_type}`: entities in a sentence."),
        snippet=snippet(facts, repo_id, gallery is not None),
        results=_results(facts, others or {}, pictures or {}),
        training=_training(facts),
        data=_data(facts) + _gallery(gallery),
        types=_types(facts),
        cells=f"{facts.config.get('num_geo_cells', 'no')} cells",
        limits=_limits(facts),
        licence=licence,
        data_licence="" if facts.origin is None else ORIGINS[facts.origin].terms,
        citation=_citation(facts),
    )
    return ModelCard(with_front_matter(card_data(facts, repo_id, licence), body))


def chosen_licence(facts: RunFacts, licence: str | None) -> str:
    """The licence of the weights: the one that is given, else what follows from the data.

    Returns:
        Apache-2.0 for models of MLM and of the demo worlds, ``"unknown"`` where the data is not known.

    Raises:
        ValueError: if the Hub does not know it, or it is left out for a model of MMNERD, which states none itself, or
            of files of one's own.
    """
    if licence is not None:
        return check_licence(licence)
    if facts.origin == OWN:
        raise ValueError(
            "the model was trained on files of your own, so no licence is assumed for its weights: choose with "
            "--licence, such as --licence cc-by-4.0."
        )
    if facts.origin == "mmnerd":
        raise ValueError(
            "MMNERD states no licence, so none can be assumed for weights that were trained on it: choose with "
            "--licence, such as --licence cc-by-nc-4.0 for research."
        )
    return UNKNOWN_LICENCE if facts.origin is None else str(ORIGINS[facts.origin].weights_licence)


def card_data(facts: RunFacts, repo_id: str, licence: str) -> ModelCardData:
    """The card's metadata, the model-index among them.

    Args:
        facts: of the run.
        repo_id: where the model will be.
        licence: the Hub's name of it.
    """
    retrieves, results = facts.model_type == IRLE, eval_results(facts)
    return ModelCardData(
        license=licence,
        language=list(facts.languages) or None,
        library_name=LIBRARY,
        pipeline_tag="feature-extraction" if retrieves else "token-classification",
        tags=[facts.model_type, *(["cross-modal-retrieval", "geolocation"] if retrieves else ["multimodal-ner"])],
        metrics=sorted({metric.metric for metric in card_metrics(facts)}) or None,
        model_name=repo_id.split("/")[-1] if results else None,
        eval_results=results or None,
    )


def snippet(facts: RunFacts, repo_id: str, gallery: bool = False) -> str:
    """Python that opens the model, and asks it something if it takes images and texts as they are.

    Args:
        facts: of the run.
        repo_id: where the model will be.
        gallery: whether there is one beside it.
    """
    auto = "AutoModel" if facts.model_type == IRLE else "AutoModelForTokenClassification"
    names = f"{auto}, AutoProcessor" if facts.reads_raw_input else auto
    lines = [
        "import hf_mlm  # registers the model",
        f"from transformers import {names}",
        "",
        f'model = {auto}.from_pretrained("{repo_id}")',
    ]
    if facts.reads_raw_input:
        lines.append(f'processor = AutoProcessor.from_pretrained("{repo_id}")')
    asked = _questions(facts, repo_id, gallery)
    return "\n".join([*lines, "", "from transformers import pipeline", "", *asked] if asked else lines)


def _questions(facts: RunFacts, repo_id: str, gallery: bool) -> list[str]:
    """Calls of the pipelines that run on a model."""
    if facts.model_type != IRLE:
        asked = (
            '{"text": "Turtles near Sydney", "image": "photo.jpg"}' if facts.reads_images else '"Turtles near Sydney"'
        )
        return [f'tag = pipeline("multimodal-ner", model="{repo_id}")', f"print(tag({asked}))"]
    if not facts.reads_raw_input:
        return []
    lines = []
    if "geo" in facts.config.get("tasks", ("geo",)):
        lines += [f'locate = pipeline("geo-estimation", model="{repo_id}")', 'print(locate({"image": "photo.jpg"}))']
    if gallery:
        lines.append(f'retrieve = pipeline("cross-modal-retrieval", model="{repo_id}")')
        lines.append('print(retrieve({"image": "photo.jpg"}))')
    return lines


def _results(facts: RunFacts, others: Mapping[str, RunFacts], pictures: Mapping[str, str]) -> str:
    shown = [f"![{caption}]({name})\n\n*{caption}*" for name, caption in pictures.items()]
    if not card_metrics(facts):
        return "\n\n".join(["No metrics were recorded with this model.", *shown])
    split = {"test": "test", "eval": "validation"}[str(facts.scored_split)]
    lead = f"On the {split} split{_pool(facts)}; 95 % intervals in brackets where they were computed."
    return "\n\n".join([lead, metric_table(facts, others), *shown])


def _pool(facts: RunFacts) -> str:
    size = facts.results.get(f"{facts.scored_split}_pool_size")
    return "" if size is None else f", retrieval among {int(size):,} candidates"


def _training(facts: RunFacts) -> str:
    hardware, versions = facts.provenance.get("hardware"), facts.provenance.get("versions")
    known = {
        "seed": facts.settings.get("seed", 42) if facts.settings else None,
        "epochs": _plain(facts.results.get("epoch")),
        "best checkpoint": _best(facts.trainer_state),
        "training time": _minutes(facts.results.get("train_runtime")),
        "parameters": _plain(facts.provenance.get("parameters")),
        "hardware": _machine(hardware) if hardware else None,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) if versions else None,
        "date": facts.provenance.get("date"),
    }
    rows = [[name, escape(value)] for name, value in known.items() if value is not None]
    parts = [markdown_table(["", ""], rows)] if rows else ["How it was trained was not recorded."]
    if facts.settings:
        listed = yaml.safe_dump(json.loads(json.dumps(facts.settings)), sort_keys=False, allow_unicode=True).strip()
        parts.append(f"Settings that differ from the defaults (`settings.yaml`):\n\n```yaml\n{listed}\n```")
    return "\n\n".join(parts)


def _data(facts: RunFacts) -> str:
    splits = facts.provenance.get("dataset", {}).get("splits", {})
    named = f"Data: {escape(facts.dataset_title)}"
    if facts.origin not in (OWN, None):
        call = f'load_dataset("{facts.dataset}", "{facts.dataset_config}")'
        named = f"Data: {code(call)}"
    if not splits:
        return f"{'' if facts.origin is None else f'{named}. '}Fingerprints of the rows were not recorded."
    rows = [[escape(split), f"{found['rows']:,}", code(found["sha256"])] for split, found in splits.items()]
    return f"{named}, images left out of the hashes:\n\n{markdown_table(['split', 'rows', 'SHA-256'], rows)}"


def _gallery(entities: Dataset | None) -> str:
    if entities is None:
        return ""
    columns = ", ".join(map(code, entities.column_names))
    return f"\n\nThe gallery that goes with the model holds embeddings of {len(entities):,} entities, with {columns}."


def _types(facts: RunFacts) -> str:
    """What a tagger finds."""
    types = types_of(list(facts.config.get("id2label", dict(enumerate(TAGS))).values()))
    named = ", ".join(map(escape, types))
    return f"persons, places, organisations and others ({named})" if set(types) == set(TYPES) else named


def _limits(facts: RunFacts) -> str:
    """Bullets that depend on the data."""
    if facts.model_type != IRLE:
        limits = "" if facts.origin == OWN else _SHORT_TEXTS
    elif facts.origin == "mlm":
        limits = (
            "- Errors follow the geography of the training data. MLM is European by 72 %; elsewhere errors are\n"
            "  larger.\n"
        )
    else:
        limits = "- Errors follow the geography of the training data: where it has little, errors are larger.\n"
    return limits + (_DEMO_LIMITS if facts.origin == "demo" else "")


def _citation(facts: RunFacts) -> str:
    if facts.origin == OWN:
        return _METHODS[facts.dataset]
    return f"```bibtex\n{CITATIONS[facts.dataset].strip()}\n```"


def _best(state: Mapping[str, Any]) -> str | None:
    if state.get("best_metric") is None:
        return None
    step = state.get("best_global_step")
    return f"validation {state['best_metric']:.4g}" + (f" at step {step}" if step else "")


def _machine(hardware: Mapping[str, Any]) -> str:
    cards = hardware.get("accelerators") or []
    named = f"{len(cards)} × {cards[0]}, " if cards else ""
    processes = f", {hardware['processes']} processes" if hardware.get("processes", 1) > 1 else ""
    return f"{named}{hardware['cores']} cores of {hardware['cpu']}{processes}"


def _minutes(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds / 60:,.1f} min"


def _plain(number: float | None) -> str | None:
    return None if number is None else f"{number:,.10g}"
