"""What decoders are asked to do that is no reading. They import this: it is small."""

import os
import time
from pathlib import Path

import numpy as np


def read_slowly(data: bytes, *, max_pixels: int) -> np.ndarray:
    """What takes until it is killed, and says so by a file that `data` names."""
    Path(data.rpartition(b"IEND\xaeB`\x82")[2].decode()).touch()
    time.sleep(60)
    return np.zeros(1)


def read_counted(data: bytes, *, max_pixels: int) -> np.ndarray:
    """What takes a while, and makes the file that `data` names a byte longer."""
    with Path(data.rpartition(b"IEND\xaeB`\x82")[2].decode()).open("ab") as file:
        file.write(b".")
    time.sleep(0.02)
    return np.zeros(1)


def read_by_dying(data: bytes, *, max_pixels: int) -> np.ndarray:
    os.abort()


def read_greedily(data: bytes, *, max_pixels: int) -> np.ndarray:
    return np.ones(10**10, np.uint8)


def read_wrongly(data: bytes, *, max_pixels: int) -> np.ndarray:
    raise RuntimeError("a fault of ours")
