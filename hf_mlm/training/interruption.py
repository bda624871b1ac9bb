"""Ctrl-C that arrives."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible(every: float = 1.0) -> Iterator[None]:
    """Repeat a Ctrl-C until the block is left.

    Python drops a KeyboardInterrupt that falls into the callback of a weak reference, which happens often in training:
    the user presses Ctrl-C, and hours go by.

    Args:
        every: seconds after which an interrupt that was dropped is raised again.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, every)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
