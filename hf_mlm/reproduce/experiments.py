"""Declarations of runs and of tables: frozen dataclasses, without a seed, a folder or a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal


Images = Literal["own", "shuffled", "blank"]
FOLDS = 5
CLASSES = ("Ortsteil", "town of the United States", "human settlement")  # MLM, Section 6.2.1, names two


@dataclass(frozen=True)
class IRLESpec:
    """A system of the MLM paper (Section 5), of both tasks or one; ``reference``: the published code's behaviour."""

    kind: ClassVar[str] = "irle"

    dataset: Literal["irle", "irle-gr"]
    tasks: tuple[str, ...] = ("retrieval", "geo")
    reference: bool = False

    @property
    def name(self) -> str:
        """Name of its runs."""
        tasks = "multitask" if len(self.tasks) > 1 else self.tasks[0]
        return "-".join([self.dataset, tasks, *(["reference"] if self.reference else [])])

    @property
    def system(self) -> tuple[object, ...]:
        """Model that is trained, whatever the data."""
        return self.tasks, self.reference


@dataclass(frozen=True)
class TaggerSpec:
    """A system of the 2M-NER paper (Section 5) on one of its data sets, or a control that the paper lacks.

    Attributes:
        images: each sentence's own, those of other sentences of its split, or grey ones.
        fold: the one of ``FOLDS`` parts of the training sentences that is left out (Table 8).
        settings: of its configuration that are changed, such as ``(("alpha", 0.3),)``.
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
    settings: tuple[tuple[str, Any], ...] = ()
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
        parts += [f"fold{self.fold}"] if self.fold is not None else []
        parts += [f"{name}{value}" for name, value in self.settings]
        parts += [f"rate{self.learning_rate}"] if self.learning_rate is not None else []
        return "-".join(parts)

    @property
    def system(self) -> tuple[object, ...]:
        """Model that is trained, whatever the data."""
        return self.model, self.text_only, self.branches, self.reference, self.settings


@dataclass(frozen=True)
class CountSpec:
    """Counts of a dataset (MLM, Table 2; 2M-NER, Table 2); nothing is trained."""

    kind: ClassVar[str] = "count"

    paper: Literal["mlm", "2m-ner"]
    dataset: str

    @property
    def name(self) -> str:
        """Name of its runs."""
        return f"count-{self.paper}-{self.dataset}"


Spec = IRLESpec | TaggerSpec | CountSpec


def as_dict(spec: Spec) -> dict[str, Any]:
    """Write down what decides a run, for JSON; defaults are left out, so that a new field changes no hash."""
    defaults = {name: each.default for name, each in type(spec).__dataclass_fields__.items()}
    given = {name: value for name, value in asdict(spec).items() if value != defaults[name]}
    return {"kind": spec.kind, **given}


@dataclass(frozen=True)
class Cell:
    """A cell of a table: the run whose metric it shows, or None where we have nothing to run."""

    row: str
    column: str
    spec: Spec | None = None
    metric: str = ""


@dataclass(frozen=True)
class Table:
    """A table to reproduce, numbered as the paper has it, or named where it lacks the table.

    Attributes:
        note: the runs and counts in full, and how the paper was read where it leaves that open.
        compared_with: the row that others are compared with, by a paired bootstrap.
        blocks: name -> beginning of the columns (``"en "``) or infix of the rows (``", text"``) of a part of the table
            that is printed by itself.
        whole: whether values are counts.
        dataset: the only one that is run unless another is asked for; None for all.
        seeds: of full scale, where they are not those of other tables.
    """

    paper: str
    number: str
    title: str
    cells: tuple[Cell, ...]
    note: str
    percent: bool = False
    compared_with: str | None = None
    lower_is_better: tuple[str, ...] = ()
    blocks: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    dataset: str | None = None
    seeds: tuple[int, ...] = ()

    @property
    def specs(self) -> list[Spec]:
        """Specs of the cells, each once, in their order."""
        return list(dict.fromkeys(cell.spec for cell in self.cells if cell.spec is not None))

    def position(self, cell: Cell) -> tuple[str, str, str]:
        """Tell the block of a cell, and its line and column there, as the paper prints them."""
        for name, mark in self.blocks.items():
            if mark.startswith(",") and mark in cell.row:
                return name, cell.row.replace(mark, "", 1), cell.column
            if f"{cell.column} ".startswith(mark):
                return name, cell.row, cell.column.removeprefix(name).strip() or "F1"
        return "", cell.row, cell.column

    def only(self, model: str) -> Table:
        """Keep the rows of one system.

        Raises:
            ValueError: if no row is of that system.
        """
        return self._keep(model, "system of", lambda cell: (label(cell.spec), cell.row) if cell.spec else (cell.row,))

    def on(self, dataset: str) -> Table:
        """Keep the cells of one data set.

        Raises:
            ValueError: if no cell is of that data set.
        """
        return self._keep(dataset, "data set of", lambda cell: (cell.spec.dataset,) if cell.spec else ())

    def _keep(self, wanted: str, kind: str, names_of: Callable[[Cell], tuple[str, ...]]) -> Table:
        kept = tuple(cell for cell in self.cells if wanted in names_of(cell))
        if not kept:
            there = ", ".join(dict.fromkeys(names[0] for cell in self.cells if (names := names_of(cell))))
            raise ValueError(f"Expected a {kind} table {self.number}, found {wanted!r}: choose one of {there}.")
        return replace(self, cells=kept)


def label(spec: Spec) -> str:
    """Name a system for ``--only``: the model, or single task, multitask, counts."""
    if isinstance(spec, TaggerSpec):
        return spec.model
    if isinstance(spec, IRLESpec):
        return "multitask" if len(spec.tasks) > 1 else "single task"
    return "counts"
