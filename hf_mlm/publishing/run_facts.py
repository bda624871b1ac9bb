"""Facts of a finished run, read from the files in its folder, and the metrics among them that a card shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult

from hf_mlm.data.mmnerd.layout import are_by_language
from hf_mlm.publishing.cards import ORIGINS, OWN, escape, markdown_table
from hf_mlm.publishing.privacy import public_settings
from hf_mlm.runs.provenance import PROVENANCE_NAME
from hf_mlm.runs.settings import SETTINGS_NAME, read_recipe


IRLE = "irle"
TEXT_ALONE = ("crf_tagger", "bilstm_crf", "hbilstm_crf")
LANGUAGES = {"mlm": ("en", "de", "fr"), "mmnerd": ("en", "fr", "es", "de")}


@dataclass(frozen=True)
class RunFacts:
    """A model with all that is known of how it was made; what a run did not record is empty.

    Args:
        config: the model's configuration.
        results: metrics, ``test_…`` and ``eval_…`` among them.
        settings: that differ from their defaults, fit for others to read.
        provenance: versions, hardware and data as `hf_mlm.runs.provenance` records them.
        trainer_state: of the last checkpoint.
        origin: key of `ORIGINS`: where the training data is from; None if the run does not tell.
        own_languages: of the user's own files that it was trained on, as far as the settings tell.
    """

    config: dict[str, Any]
    results: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    trainer_state: dict[str, Any] = field(default_factory=dict)
    origin: str | None = None
    own_languages: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: str | Path) -> RunFacts:
        """Read the output folder of a training, or any folder with a saved model.

        Args:
            folder: with ``config.json``; everything else may be missing.

        Raises:
            FileNotFoundError: if there is no such folder, or no model in it.
            ValueError: if a file is damaged.
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"Expected the output_dir of a training, found no config.json in {folder}.")
        config, provenance = _read_json(folder / "config.json"), _read_json(folder / PROVENANCE_NAME)
        results = _read_json(folder / "all_results.json")
        path = folder / SETTINGS_NAME
        settings = read_recipe(str(path)) if path.is_file() else {}
        return cls(
            config=config,
            results={name: value for name, value in results.items() if isinstance(value, (int, float))},
            settings=public_settings(settings),
            provenance=provenance,
            trainer_state=_read_json(_last_trainer_state(folder)),
            origin=_origin(config, settings, provenance.get("dataset", {})),
            own_languages=_own_languages(settings),
        )

    @property
    def model_type(self) -> str:
        """Such as ``"irle"``."""
        return str(self.config.get("model_type"))

    @property
    def dataset(self) -> str:
        """``"mlm"`` or ``"mmnerd"``: the loader of the rows, which follows from the model."""
        return "mlm" if self.model_type == IRLE else "mmnerd"

    @property
    def dataset_config(self) -> str | None:
        """Such as ``"irle-gr"``; None if the run does not tell."""
        recorded = self.provenance.get("dataset", {}).get("config")
        return recorded or (self.settings.get("dataset", "demo") if self.settings else None)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that it was trained on, as far as they are known."""
        if self.origin in (OWN, None):
            return tuple(self.provenance.get("dataset", {}).get("languages", self.own_languages))
        return languages_of(self.dataset, [self.dataset_config or ""])

    @property
    def dataset_title(self) -> str:
        """The training data as people call it, such as ``"MLM (irle-gr)"``."""
        known = self.dataset_config if self.origin != OWN else ", ".join(self.own_languages)
        name = ORIGINS[self.origin or self.dataset].name
        return f"{name} ({known})" if known else name

    @property
    def reads_raw_input(self) -> bool:
        """Whether pixels and tokens go in, not precomputed features."""
        return self.model_type != IRLE or bool(self.config.get("image_encoder_config"))

    @property
    def reads_images(self) -> bool:
        """Whether it looks at the image of a sentence or an entity."""
        switched_off = self.config.get("image_branches") == [] or not self.config.get("use_images", True)
        return self.model_type not in TEXT_ALONE and not switched_off

    @property
    def scored_split(self) -> str | None:
        """``"test"``, else ``"eval"`` for the validation split, or None without metrics."""
        scored = ("test", "eval")
        return next((split for split in scored if any(name.startswith(f"{split}_") for name in self.results)), None)


def languages_of(dataset: str, configs: Iterable[str]) -> tuple[str, ...]:
    """Languages of some configs of a dataset.

    Example:
        >>> languages_of("mmnerd", ["en", "en+de"]), languages_of("mmnerd", ["en", "demo"])
        (('en', 'de'), ('en', 'fr', 'es', 'de'))
    """
    known = LANGUAGES[dataset]
    named = {language for config in configs for language in config.split("+")}
    return tuple(language for language in known if language in named) if named <= set(known) else known


def _origin(config: Mapping[str, Any], settings: Mapping[str, Any], recorded: Mapping[str, Any]) -> str | None:
    """The origin that a run recorded, else the one that follows from its settings.

    Raw rows of a folder may be anybody's: they count as the user's own unless the run recorded otherwise.
    """
    if recorded.get("origin") in ORIGINS:
        return recorded["origin"]
    name = recorded.get("config") or (settings.get("dataset", "demo") if settings else None)
    if settings.get("data_files") or name == "archive":
        return OWN
    if name is None or name == "demo":
        return name
    if config.get("model_type") != IRLE:
        return "mmnerd"
    raw = config.get("image_encoder_config") or config.get("text_encoder_config")
    return OWN if raw and settings.get("data_dir") else "mlm"


def _own_languages(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Languages of the files that the settings of a tagger name."""
    files = settings.get("data_files")
    if not files:
        return ()
    if isinstance(files, Mapping) and are_by_language(files):
        return tuple(files)
    told = (settings.get("dataset_options") or {}).get("language") or settings.get("dataset")
    return (str(told),) if told else ()


def _read_json(path: Path | None) -> dict[str, Any]:
    if path is None or not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): train again, or remove it to go without.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object: train again, or remove it to go without.")
    return content


def _last_trainer_state(folder: Path) -> Path | None:
    """That of the folder, else of its latest checkpoint."""
    if (folder / "trainer_state.json").is_file():
        return folder / "trainer_state.json"
    states = [path for path in folder.glob("checkpoint-*/trainer_state.json") if path.parent.name[11:].isdigit()]
    return max(states, key=lambda path: int(re.sub(r"\D", "", path.parent.name)), default=None)


@dataclass(frozen=True)
class CardMetric:
    """A metric that a card shows.

    Args:
        key: its name in ``all_results.json``, without the split.
        task: the Hub's name of the task.
        title: for people.
        metric: the metric's identifier.
        form: how it is printed.
    """

    key: str
    task: str
    title: str
    metric: str
    form: str = ".3f"


_DIRECTIONS = {"image_to_text": "image → text", "text_to_image": "text → image"}
_MODALITIES = {
    "image": ("from the image", "image-classification"),
    "text": ("from the text", "text-classification"),
}
_RETRIEVAL = (("medR", "median rank", ".1f"), ("R@1", "R@1", ".3f"), ("R@5", "R@5", ".3f"), ("R@10", "R@10", ".3f"))
_LOCATION = (
    ("accuracy", "right cell", ".3f"),
    ("f1", "weighted F1 of cells", ".3f"),
    ("median_km", "median error in km", ",.0f"),
    ("median_radius_km", "median radius in km", ",.0f"),
    ("coverage@50", "true position within the radius of 50 %", ".3f"),
    ("accuracy@200km", "within 200 km", ".3f"),
    ("geoscore", "GeoScore", ",.0f"),
)
_IRLE_METRICS = (
    *(
        CardMetric(f"{way}_{key}", "feature-extraction", f"{title}, {name}", key, form)
        for way, title in _DIRECTIONS.items()
        for key, name, form in _RETRIEVAL
    ),
    *(
        CardMetric(f"{modality}_{key}", task, f"{name}, {title}", key, form)
        for modality, (title, task) in _MODALITIES.items()
        for key, name, form in _LOCATION
    ),
)
_ENTITY = re.compile(r"(?:(?P<group>.+)_)?(?P<metric>f1|precision|recall)")
_ENTITY_METRICS = {"f1": "F1", "precision": "precision", "recall": "recall"}


def card_metrics(facts: RunFacts) -> list[CardMetric]:
    """List the metrics that a run has, in the order in which a card shows them."""
    split = facts.scored_split
    if facts.model_type == IRLE:
        return [metric for metric in _IRLE_METRICS if f"{split}_{metric.key}" in facts.results]
    keys = [name.removeprefix(f"{split}_") for name in facts.results if name.startswith(f"{split}_")]
    found = [metric for key in keys if (metric := _entity_metric(key)) is not None]
    return sorted(found, key=lambda metric: (metric.key.count("_"), "strict" in metric.key))


def _entity_metric(key: str) -> CardMetric | None:
    match = _ENTITY.fullmatch(key)
    if match is None:
        return None
    group = (match["group"] or "all entities").replace("_", " ")
    return CardMetric(key, "token-classification", f"{_ENTITY_METRICS[match['metric']]}, {group}", match["metric"])


def metric_table(facts: RunFacts, others: Mapping[str, RunFacts]) -> str:
    """Write a run's metrics as a Markdown table, beside those of other runs.

    Args:
        facts: of the run.
        others: by the names that the card gives them, such as ``"text alone"``.
    """
    runs = {"this model": facts, **{escape(name): run for name, run in others.items()}}
    rows = [
        [escape(metric.title), *(_printed(run, metric) for run in runs.values())] for metric in card_metrics(facts)
    ]
    return markdown_table(["", *runs], rows)


def _printed(facts: RunFacts, metric: CardMetric) -> str:
    """A value with its 95 % interval where the run computed one; a dash where the run has no such metric."""
    name = f"{facts.scored_split}_{metric.key}"
    if name not in facts.results:
        return "–"
    printed = format(facts.results[name], metric.form)
    if f"{name}_low" not in facts.results:
        return printed
    low, high = (format(facts.results[f"{name}_{end}"], metric.form) for end in ("low", "high"))
    return f"{printed} ({low}–{high})"


def eval_results(facts: RunFacts) -> list[EvalResult]:
    """List a run's metrics for the card's model-index, under the name of the data that they were measured on."""
    kinds = {OWN: "own-files", "demo": "hf-mlm-demo"}
    return [
        EvalResult(
            task_type=metric.task,
            dataset_type=kinds.get(facts.origin or "", facts.dataset),
            dataset_name=facts.dataset_title,
            dataset_config=None if facts.origin == OWN else facts.dataset_config,
            dataset_split="validation" if facts.scored_split == "eval" else facts.scored_split,
            metric_type=metric.metric,
            metric_name=metric.title,
            metric_value=round(facts.results[f"{facts.scored_split}_{metric.key}"], 4),
        )
        for metric in card_metrics(facts)
    ]
