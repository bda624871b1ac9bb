"""Settings of a declared run: the papers' at full scale, tiny models on generated data at smoke scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from hf_mlm.data.mmnerd.conll import Sentence, write_conll
from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER, LANGUAGES, SPLIT_NAMES
from hf_mlm.files import replacing_folder
from hf_mlm.reproduce.experiments import FOLDS, IRLESpec, TaggerSpec


Scale = Literal["smoke", "full"]
Checkpoint = Literal["last", "best"]
SEEDS: dict[str, tuple[int, ...]] = {"smoke": (1,), "full": (1, 2, 3)}
WORLD_SIZES = {"mlm": 300, "irle": 240, "irle-gr": 180}  # settlements of the embedded world at smoke scale
PLACES = 45  # of the captioned world at smoke scale, each in four sentences


@dataclass(frozen=True)
class Setup:
    """Scale, data and weights of a table's runs.

    Attributes:
        scale: ``"full"`` for the papers' settings, ``"smoke"`` to see all of it work on generated data.
        data_dir: folder of the paper's dataset.
        encoders: at full scale, folder or name of ``text_encoder``, ``vit`` and ``resnet``.
        word_vectors: file of pre-trained word vectors for the systems without BERT, ``"use"`` for the multilingual
            sub-word vectors that the package knows, or ``"none"`` to learn them from the training sentences.
        overrides: settings of ``TrainingArguments`` that go before all others, such as a batch size.
        checkpoint: the one that is tested, of all runs alike: ``"last"``, or ``"best"`` on validation by the loss of
            IR+LE and the F1 of taggers. When None the last of IR+LE, as published, and the best of taggers.
        regions: of UMGF's and MKGFormer's images: a grid such as ``"2x2"``, ``"whole"``, or a file of boxes; grids of
            as many regions as their papers have when None.
    """

    scale: Scale
    data_dir: str | None = None
    encoders: dict[str, str] = field(default_factory=dict)
    word_vectors: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    regions: str | None = None


@dataclass(frozen=True)
class System:
    """A system of 2M-NER's Table 5: its model, and its own paper's settings of training.

    ``text_form`` makes its text-only form, beside leaving the image encoders out; ``small`` are settings of smoke
    scale; ``grid`` has as many regions as its paper has of a detector.
    """

    model_type: str
    training: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    encoders: Sequence[str] = ("text_encoder",)
    text_form: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    grid: Sequence[int] | None = None

    @property
    def reads_vectors(self) -> bool:
        """Whether its words are vectors of their own, which the paper takes from GloVe."""
        return "text_encoder" not in self.encoders


IMAGE_ENCODERS = ("vit", "resnet")
_SETTINGS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
ENCODERS: dict[str, str] = _SETTINGS["encoders"]
SYSTEMS = {name: System(**settings) for name, settings in _SETTINGS["systems"].items()}
_SMOKE = _SETTINGS["smoke"]


def has_vectors(setup: Setup) -> bool:
    """Whether pre-trained word vectors are named."""
    return setup.word_vectors not in (None, "none")


def encoders_of(spec: TaggerSpec) -> list[str]:
    """Name the encoders of a run: all of its system's, without those that its text-only form or ablation lacks."""
    images = () if spec.text_only else spec.branches if spec.model == "2M-NER" else IMAGE_ENCODERS
    return [name for name in SYSTEMS[spec.model].encoders if name in ("text_encoder", *images)]


def sees(spec: TaggerSpec) -> bool:
    """Whether a run takes images."""
    return any(name in IMAGE_ENCODERS for name in encoders_of(spec))


def settings_of(spec: IRLESpec | TaggerSpec, setup: Setup, seed: int, output_dir: Path) -> dict[str, Any]:
    """List all settings of one training, as a recipe has them."""
    quiet = {"report_to": "none", "disable_tqdm": setup.scale == "smoke"}
    made = _irle(spec, setup) if isinstance(spec, IRLESpec) else _tagger(spec, setup)
    return {**quiet, **made, **setup.overrides, "seed": seed, "output_dir": str(output_dir)}


def recipe_of(spec: IRLESpec, setup: Setup) -> str:
    """Name the shipped recipe that a run of IR+LE starts from."""
    if setup.scale == "smoke":
        return "demo"
    return "irle-reference" if spec.reference else spec.dataset


def _irle(spec: IRLESpec, setup: Setup) -> dict[str, Any]:
    rule: dict[str, Any] = {"metric_for_best_model": "loss", "greater_is_better": False}  # which every task has
    rule |= {"load_best_model_at_end": setup.checkpoint == "best"}
    given = {"dataset": spec.dataset, "data_dir": setup.data_dir, "reference": spec.reference, **rule}
    return {**given, "model": {"tasks": list(spec.tasks)}} if setup.scale == "full" else _small_irle(spec)


def _small_irle(spec: IRLESpec) -> dict[str, Any]:
    model = {"tasks": list(spec.tasks), "embedding_size": 16}
    return {
        **_SMOKE["irle"],
        "dataset_options": {"size": WORLD_SIZES[spec.dataset], "holdout": "random"},
        "reference": spec.reference,
        "model": {**model, **(_SMOKE["published"] if spec.reference else {})},
    }


def _tagger(spec: TaggerSpec, setup: Setup) -> dict[str, Any]:
    system, full = SYSTEMS[spec.model], setup.scale == "full"
    named: dict[str, Any] = {**ENCODERS, **setup.encoders} if full else _SMOKE["encoders"]
    last = {"load_best_model_at_end": False} if setup.checkpoint == "last" else {}
    small = {**_SMOKE["tagger"], **({"image_processor": _SMOKE["images"]} if sees(spec) else {})}
    return {
        "model_type": system.model_type,
        "dataset": spec.dataset,
        "data_dir": setup.data_dir,
        "model": _model(spec, system, setup),
        **({"word_vectors": setup.word_vectors} if system.reads_vectors and has_vectors(setup) else {}),
        **{name: named[name] for name in encoders_of(spec)},
        **_controls(spec),
        **system.training,
        **({**_SETTINGS["full"]["tagger"], **last} if full else small),
        **_regions(spec, system, setup),
        **({} if spec.learning_rate is None else {"learning_rate": spec.learning_rate}),
    }


def _regions(spec: TaggerSpec, system: System, setup: Setup) -> dict[str, Any]:
    if system.grid is None or not sees(spec):
        return {}
    rows, columns = system.grid
    return {"regions": setup.regions or f"{rows}x{columns}", "num_regions": rows * columns}


def _model(spec: TaggerSpec, system: System, setup: Setup) -> dict[str, Any]:
    form = system.text_form if spec.text_only else {}
    sizes = {} if system.reads_vectors and has_vectors(setup) else system.model  # the vectors tell their size
    return {**sizes, **form, **dict(spec.settings), **(system.small if setup.scale == "smoke" else {})}


def _controls(spec: TaggerSpec) -> dict[str, Any]:
    found: dict[str, Any] = {} if spec.images == "own" else {"images": spec.images}
    found |= {"reference": True} if spec.reference else {}
    return found | ({} if spec.fold is None else {"fold": spec.fold - 1, "folds": FOLDS})


def demo_tree(folder: Path, places: int) -> Path:
    """Lay the generated sentences of ``load_dataset("mmnerd", "demo")`` out as the authors lay out MMNERD.

    So every language and pair of the paper can be loaded by its own name. A tree that is there is taken as it is.

    Returns:
        The tree, to be passed as ``data_dir``.

    Raises:
        ImportError: if a package of the extra ``demo`` is missing.
    """
    target = folder / f"mmnerd-{places}"
    if not target.is_dir():
        try:
            with replacing_folder(target) as tree:
                _write_tree(tree, places)
        except OSError:
            if not target.is_dir():  # else another command was faster, whose tree is the same
                raise
    return target


def _write_tree(tree: Path, places: int) -> None:
    from hf_mlm.world.captions import CaptionedWorld

    (tree / IMAGE_FOLDER).mkdir(parents=True)
    world = CaptionedWorld(places)
    for word, split in SPLIT_NAMES.items():
        rows = _with_sources(world.rows(split))
        for language in LANGUAGES:
            folder = tree / f"train_valid_test_{language}"
            folder.mkdir(exist_ok=True)
            sentences = (
                Sentence(row["tokens"], row["tags"], row["image_id"]) for row in rows if row["language"] == language
            )
            write_conll(folder / f"{word}_conll_format.txt", sentences)
        for row in {row["image_id"]: row for row in rows}.values():
            (tree / IMAGE_FOLDER / f"{row['image_id']}.jpg").write_bytes(row["image"]["bytes"])


def _with_sources(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give images with a person names as tweets have them, and others names as captions have them, as in MMNERD."""
    found = list(rows)
    tweets = {row["image_id"] for row in found if "B-PER" in row["tags"]}
    for row in found:
        number = row["image_id"][1:]
        row["image_id"] = f"O_{number}" if row["image_id"] in tweets else f"{int(number):08}---{number}"
    return found
