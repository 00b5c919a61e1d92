"""Which pixels of a mask hang together.

Parts are found from runs, the unbroken stretches of a row, of which there are far fewer
than pixels: runs that touch, also at a corner, are of one part (Rosenfeld and Pfaltz,
Sequential operations in digital picture processing, J. ACM 13(4), 1966).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Components:
    """The parts of a mask; part 0 is the one that begins uppermost.

    Args:
        labels: int (height, width): the part of each pixel, -1 where there is none.
        area: int (parts,): the pixels of each.
        box: int (4, parts): first row, first column, last row, last column.
    """

    labels: np.ndarray
    area: np.ndarray
    box: np.ndarray

    def painted(self, chosen: np.ndarray) -> np.ndarray:
        """A mask of the parts that are `chosen`, bool (parts,)."""
        mask: np.ndarray = np.append(chosen, False)[self.labels]  # the last is -1
        return mask


def connected(mask: np.ndarray) -> Components:
    """Take a mask apart.

    Args:
        mask: bool (height, width).

    Returns:
        Its parts; none if the mask is empty.
    """
    height, width = mask.shape
    wide = width + 2  # a gap between the rows, so that no run goes on into the next
    padded = np.zeros((height, wide), np.int8)
    padded[:, 1:-1] = mask
    step = np.diff(padded.ravel(), prepend=np.int8(0))
    start, end = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
    label = _labels(start, end, wide)
    order = np.argsort(label, kind="stable")
    start, end, label = start[order], end[order], label[order]
    first = np.flatnonzero(np.diff(label, prepend=-1))
    runs = np.stack([start // wide, start % wide - 1, end - start // wide * wide - 1])
    number = np.repeat(np.arange(first.size), np.diff(first, append=label.size))
    return Components(_painted(mask.shape, runs, number), *_measured(runs, first))


def _painted(
    shape: tuple[int, ...], runs: np.ndarray, number: np.ndarray
) -> np.ndarray:
    """The number of each run, in its pixels."""
    row, left, end = runs
    length = end - left
    nth = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    labels = np.full(shape, -1)
    labels[np.repeat(row, length), np.repeat(left, length) + nth] = np.repeat(
        number, length
    )
    return labels


def _measured(runs: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area and box of each part."""
    if not first.size:
        return np.empty(0, int), np.empty((4, 0), int)
    row, left, end = runs
    least, most = np.minimum.reduceat, np.maximum.reduceat
    box = [
        least(row, first),
        least(left, first),
        most(row, first),
        most(end - 1, first),
    ]
    return np.add.reduceat(end - left, first), np.stack(box)


def _labels(start: np.ndarray, end: np.ndarray, wide: int) -> np.ndarray:
    """For each run the first run of its part; runs by their first pixel and the next.

    Every run takes the least label of those it touches, until nothing changes.
    """
    low = np.searchsorted(end, start + wide, "left")
    high = np.searchsorted(start, end + wide, "right")
    touching = np.maximum(high - low, 0)
    above = np.repeat(np.arange(start.size), touching)
    nth = np.arange(above.size) - np.repeat(np.cumsum(touching) - touching, touching)
    below = np.repeat(low, touching) + nth
    label = np.arange(start.size)
    while (label[above] != label[below]).any():
        least = np.minimum(label[above], label[below])
        np.minimum.at(label, label[above], least)
        np.minimum.at(label, label[below], least)
        while (label[label] != label).any():
            label = label[label]
    return label
