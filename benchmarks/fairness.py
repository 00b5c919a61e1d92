"""What a light model suffers when a heavy one is asked without a pause."""

import threading
import time
from collections.abc import Callable

from benchmarks.load import Load

HEAD_START_S = 2  # until the heavy model's queue is full

Ask = Callable[[int], Load]
"""Loads a model for so many seconds."""


def measure_beside(light: Ask, heavy: Ask, seconds: int) -> tuple[Load, Load]:
    """The light model alone, then while the heavy one is asked without a pause.

    Raises:
        LoadError: One of them answers nothing.
    """
    alone = light(seconds)
    failed: list[Exception] = []

    def press() -> None:
        try:
            heavy(seconds + HEAD_START_S + 1)
        except Exception as error:  # noqa: BLE001 (raised below, in the caller's thread)
            failed.append(error)

    pressing = threading.Thread(target=press)
    pressing.start()
    time.sleep(HEAD_START_S)
    beside = light(seconds)
    pressing.join()
    if failed:
        raise failed[0]
    return alone, beside
