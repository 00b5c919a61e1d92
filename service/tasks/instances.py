"""Single things in a mask: what hangs together, or what grows around a core."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.web.imaging.components import connected

Bools = npt.NDArray[np.bool_]

LEAST_CORE = 3  # pixels; smaller ones are noise
FARTHEST = 1024  # steps from a core, of a pixel each, to what is of its thing


@dataclass(frozen=True, slots=True)
class Instances:
    """The things in a mask.

    Attributes:
        labels: int (height, width): the thing of each pixel, -1 where there is none.
        areas: int (things,): the pixels of each.
        centres: float (things, 2): the mean row and column of its pixels.
    """

    labels: npt.NDArray[np.integer]
    areas: npt.NDArray[np.integer]
    centres: npt.NDArray[np.floating]


def tell_apart(mask: Bools, cores: Bools | None = None) -> Instances:
    """Take a mask apart into things.

    Args:
        mask: (height, width), what is of any of them.
        cores: (height, width), the middles of things, each apart from all others. A
            thing is what of the mask is nearest to one of them, on the way through the
            mask; what hangs together and has no core is a thing, too. None = each part
            that hangs together is one.
    """
    parts = connected(mask)
    if cores is None:
        return _measure(parts.labels)
    seeds = connected(cores & mask)
    large = seeds.painted(seeds.area >= LEAST_CORE)
    labels = np.where(large, seeds.labels, -1)
    _grow(labels, mask)
    alone = mask & (labels < 0)
    labels[alone] = parts.labels[alone] + seeds.area.size
    return _measure(labels)


def _grow(labels: npt.NDArray[np.integer], mask: Bools) -> None:
    """Let things take what of the mask is beside them, a pixel at a time, in place."""
    height, width = mask.shape
    inner = (slice(1, -1), slice(1, -1))
    free = np.zeros((height + 2, width + 2), np.bool_)
    free[inner] = mask & (labels < 0)
    grown = np.full(free.shape, -1)
    grown[inner] = labels
    flat, left = grown.ravel(), free.ravel()
    front = np.flatnonzero(flat >= 0)
    steps = np.array([-width - 2, -1, 1, width + 2])
    for _ in range(FARTHEST):
        if not front.size:
            break
        beside = (front[:, None] + steps).ravel()
        owners = np.repeat(flat[front], steps.size)
        taken = left[beside]
        front, first = np.unique(beside[taken], return_index=True)
        flat[front] = owners[taken][first]
        left[front] = False
    labels[...] = grown[inner]


def _measure(labels: npt.NDArray[np.integer]) -> Instances:
    """Number things from 0, the one that begins uppermost first, and measure them."""
    rows, columns = np.nonzero(labels >= 0)
    _, first, number = np.unique(
        labels[rows, columns], return_index=True, return_inverse=True
    )
    order = np.argsort(np.argsort(first))
    number = order[number]
    numbered = np.full(labels.shape, -1)
    numbered[rows, columns] = number
    areas = np.bincount(number, minlength=first.size)

    def mean(values: npt.NDArray[Any]) -> npt.NDArray[np.floating]:
        return np.bincount(number, values, first.size) / areas

    return Instances(numbered, areas, np.stack([mean(rows), mean(columns)], axis=1))
