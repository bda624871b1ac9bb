import gc
import signal
import threading
import time
import weakref

import pytest

from hf_mlm.training.interruption import interruptible


class Key:
    """Something that can be referred to weakly."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_comes_again() -> None:
    key = Key()
    reference = weakref.ref(key, lambda _: signal.raise_signal(signal.SIGINT))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruptible(every=0.1):
        del key
        gc.collect()
        assert reference() is None
        time.sleep(20)
    assert time.monotonic() - began < 10


def test_nothing_is_left_behind() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)]
    with pytest.raises(KeyboardInterrupt), interruptible(every=0.1):
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(0.2)


def test_other_threads_have_no_signals_and_no_trouble() -> None:
    done = []

    def use() -> None:
        with interruptible():
            done.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert done == [True]
