"""Where the time of a hot path goes, as bars."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path

from hf_mlm.benchmarks.tables import duration
from hf_mlm.files import write_text
from hf_mlm.reporting.html import Markup, drawing, element


SHOWN = 12  # bars
WIDTH, LINE, LEFT, RIGHT = 720, 22, 280, 110
CALLS, SECONDS = 20, 5.0  # of a call at most, and after how long there are no more

Shares = list[tuple[str, float, int]]  # name, seconds a call, calls a call


def shares_of(call: Callable[[], object], calls: int = CALLS) -> Shares:
    """Time spent in each function itself, the most first; time of C code counts where Python called it.

    Args:
        call: what to look at; one call goes before.
        calls: how often at most.
    """
    call()
    profiler = cProfile.Profile()
    start, done = time.perf_counter(), 0
    while done < calls and time.perf_counter() - start < SECONDS:
        profiler.runcall(call)
        done += 1
    entries = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    shares = [(_name(*place), own / done, count // done) for place, (_, count, own, _, _) in entries]
    return sorted(shares, key=lambda share: -share[1])


def _name(file: str, line: int, function: str) -> str:
    """A function as people write it: built-in ones by their type, others by their file.

    Example:
        >>> _name("~", 0, "<built-in method torch.add>"), _name("/a/b/nt_xent.py", 9, "backward")
        ('torch.add', 'nt_xent.py: backward')
        >>> _name("~", 0, "<method 'add_' of 'torch._C.TensorBase' objects>")
        'TensorBase.add_'
    """
    if file == "~":
        name = function.strip("<>").removeprefix("built-in ").removeprefix("method ")
        method, _, owner = name.partition(" of ")  # "'add_' of 'torch._C.TensorBase' objects"
        kind = owner.removesuffix(" objects").strip("'").rpartition(".")[2]
        return f"{kind}.{method}".replace("'", "") if kind else name
    return f"{Path(file).name}: {function}"


def draw(title: str, shares: Shares) -> Markup:
    """Draw the longest as bars, and the others together, with shares and microseconds a call."""
    whole = sum(seconds for _, seconds, _ in shares)
    rest = sum(seconds for _, seconds, _ in shares[SHOWN:])
    bars = [*shares[:SHOWN], ("all others", rest, 0)]
    height = LINE * (len(bars) + 2)
    heading = element("text", f"{title}: {duration(whole)} a call", x=8, y=18, font_weight="bold")
    return drawing(
        WIDTH,
        height,
        f"Where the time of {title} goes",
        heading,
        *(_bar(number, bar, whole) for number, bar in enumerate(bars)),
        width=WIDTH,
        height=height,
        font_family="sans-serif",
        font_size=13,
        style="background: #fff",  # on dark pages too
    )


def _bar(number: int, share: tuple[str, float, int], whole: float) -> Markup:
    name, seconds, calls = share
    part, top = seconds / whole, LINE * (number + 1.5)
    long = (WIDTH - LEFT - RIGHT) * part
    label = name if calls < 2 else f"{name} (× {calls})"
    figure = f"{part:.0%}, {duration(seconds)}"
    return element(
        "g",
        element("text", label[-40:], x=LEFT - 8, y=top + 13, text_anchor="end"),
        element("rect", x=LEFT, y=top, width=f"{max(long, 1):.1f}", height=LINE - 6, fill="#3b6ea5"),
        element("text", figure, x=f"{LEFT + long + 6:.1f}", y=top + 13, fill="#444"),
    )


def write_profile(path: str, shares: Shares, folder: Path) -> Path:
    """Draw ``profile-<path>.svg``.

    Args:
        path: its name in `catalog.BENCHMARKS`.
        shares: as `shares_of` gives them.
        folder: gets the picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"profile-{path}.svg"
    write_text(file, f"{draw(path, shares)}\n")
    return file
