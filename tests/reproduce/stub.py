"""A runner that trains nothing: metrics and counts that are known beforehand."""

from __future__ import annotations

from pathlib import Path

from hf_mlm.reproduce.catalog import Table
from hf_mlm.reproduce.experiments import Spec
from hf_mlm.reproduce.runs import Job, Outcome


class StubRunner:
    """Gives every metric that a table asks for the value 0.5 + seed / 100, and keeps what it was asked.

    Args:
        table: whose metrics it gives.
        fails_at: number of the call, from 1, that is interrupted.
    """

    def __init__(self, table: Table, fails_at: int | None = None):
        self.table, self.fails_at = table, fails_at
        self.asked: list[tuple[Spec, int]] = []

    def __call__(self, job: Job, folder: Path) -> Outcome:
        """Do a run."""
        self.asked.append((job.spec, job.seed))
        if len(self.asked) == self.fails_at:
            raise KeyboardInterrupt
        wanted = {cell.metric for cell in self.table.cells if cell.spec == job.spec}
        return Outcome(dict.fromkeys(wanted, 0.5 + job.seed / 100), [[1, 2, 2]] * 10, 1.5)

    @property
    def kinds(self) -> dict[str, StubRunner]:
        """Itself as the runner of every kind."""
        return dict.fromkeys(("irle", "tagger", "count"), self)
