"""Declarations of the runs: one frozen dataclass a kind, without a seed, a folder or a machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal


Images = Literal["own", "shuffled", "blank"]
FOLDS = 5


@dataclass(frozen=True)
class IRLESpec:
    """A system of the MLM paper (Section 5).

    Attributes:
        dataset: ``"irle"`` or ``"irle-gr"``.
        tasks: both for multitask learning, one for a single task.
        reference: the published code's behaviour, instead of what the paper says.
    """

    kind: ClassVar[str] = "irle"

    dataset: Literal["irle", "irle-gr"]
    tasks: tuple[str, ...] = ("retrieval", "geo")
    reference: bool = False

    @property
    def name(self) -> str:
        """Name of its runs."""
        tasks = "multitask" if len(self.tasks) > 1 else self.tasks[0]
        return "-".join([self.dataset, tasks, *(["reference"] if self.reference else [])])


@dataclass(frozen=True)
class TaggerSpec:
    """A system of the 2M-NER paper (Section 5) on one of its data sets, or a control that the paper lacks.

    Attributes:
        model: as in Table 5, such as ``"BERT-CRF"`` or ``"2M-NER"``.
        dataset: configuration of ``mmnerd``: a language, a pair such as ``"en+de"``, or ``"all"``.
        text_only: the form without images (Table 7).
        branches: of 2M-NER's two image encoders (Table 9).
        reference: 2M-NER as the published code really is, instead of as the paper says.
        images: each sentence's own, those of other sentences of its split, or grey ones: the controls that tell
            whether a model reads images at all.
        fold: train on four of ``FOLDS`` parts of the training sentences, this part left out (Table 8); no image is in
            two parts, and validation and test are those of the dataset.
        alpha: weight of 2M-NER's CRF loss (Equation 18); its default when None.
        learning_rate: of everything; the system's own when None.
        tested: whether the test split is scored; a point of a search is not.
    """

    kind: ClassVar[str] = "tagger"

    model: str
    dataset: str
    text_only: bool = False
    branches: tuple[str, ...] = ("vit", "resnet")
    reference: bool = False
    images: Images = "own"
    fold: int | None = None
    alpha: float | None = None
    learning_rate: float | None = None
    tested: bool = True

    @property
    def name(self) -> str:
        """Name of its runs."""
        parts = [self.model.lower(), self.dataset]
        parts += ["text"] if self.text_only else []
        parts += [f"{'-'.join(self.branches)}-alone"] if len(self.branches) == 1 else []
        parts += ["reference"] if self.reference else []
        parts += [f"{self.images}-images"] if self.images != "own" else []
        named = {"fold": self.fold, "alpha": self.alpha, "rate": self.learning_rate}
        parts += [f"{name}{value:g}" for name, value in named.items() if value is not None]
        return "-".join(parts)


@dataclass(frozen=True)
class CountSpec:
    """Counts of a dataset (MLM, Table 2; 2M-NER, Table 2); nothing is trained.

    Attributes:
        paper: ``"mlm"`` or ``"2m-ner"``.
        dataset: configuration of ``mlm`` or ``mmnerd``.
    """

    kind: ClassVar[str] = "count"

    paper: Literal["mlm", "2m-ner"]
    dataset: str

    @property
    def name(self) -> str:
        """Name of its runs."""
        return f"count-{self.paper}-{self.dataset}"


Spec = IRLESpec | TaggerSpec | CountSpec


def as_dict(spec: Spec) -> dict[str, Any]:
    """Write down what decides a run, for JSON; defaults are left out, so that a new field changes no hash.

    Example:
        >>> as_dict(TaggerSpec("BERT", "en"))
        {'kind': 'tagger', 'model': 'BERT', 'dataset': 'en'}
    """
    defaults = {name: each.default for name, each in type(spec).__dataclass_fields__.items()}
    given = {name: value for name, value in asdict(spec).items() if value != defaults[name]}
    return {"kind": spec.kind, **given}
