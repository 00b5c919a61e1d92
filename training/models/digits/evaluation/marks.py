"""What stands or lies about a digit: circles, boxes, lines, a pen.

Each function takes a generator, the box of the digit's ink (left, top, right, bottom),
the size of the sheet and the width of the pen, all in pixels, and returns marks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from training.models.digits.evaluation.camera import Box
from training.models.digits.evaluation.ink import Stroke, Strokes, curve
from training.models.digits.evaluation.papers import Size

PRINT = (0.2, 0.2, 0.22)


@dataclass(frozen=True, slots=True)
class Mark:
    """Strokes beside those of the digit.

    Attributes:
        strokes: in pixels of the sheet.
        width: in pixels.
        colour: None = the digit's pen.
    """

    strokes: Strokes
    width: float
    colour: tuple[float, float, float] | None = None


Around = Callable[[Generator, Box, Size, float], list[Mark]]


def nothing(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """The digit stands alone."""
    return []


def circle(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """A circle by hand, whose ends seldom meet."""
    middle, wide, high = _extent(box)
    radii = rng.uniform(0.66, 0.95) * np.array([max(wide, 0.75 * high), high]) + pen
    start, turn = rng.uniform(0, 2 * np.pi), rng.uniform(1.93, 2.08) * np.pi
    angles = start + np.linspace(0, turn, 40)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ring *= 1 + 0.03 * np.sin(2 * angles + start)[:, None] * rng.normal()
    drift = np.linspace(0, 1, 40)[:, None] * rng.normal(0, 0.03, 2)
    return [Mark([middle + (ring + drift) * radii], pen)]


def frame(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """A box, drawn by the same pen or printed."""
    middle, wide, high = _extent(box)
    half = np.array([max(wide, 0.7 * high), high]) * rng.uniform(0.62, 1.0) + pen
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * half
    if rng.random() < 0.5:
        return [Mark([middle + corners], rng.uniform(2, 5), PRINT)]
    shaky = corners + rng.normal(0, 0.02 * high, corners.shape)
    return [Mark([middle + shaky], pen)]


def cells(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """The printed grid of a sudoku about one cell, every third line thick."""
    middle, wide, high = _extent(box)
    side = max(wide, high) * rng.uniform(1.5, 2.2)
    first = rng.integers(3, size=2)
    marks = []
    for index in range(-3, 5):
        off = (index - 0.5) * side
        for axis in (0, 1):
            thick = (index + first[axis]) % 3 == 0
            ends = np.array([(-3.5 * side, off), (3.5 * side, off)])
            line = middle + (ends if axis else ends[:, ::-1])
            marks.append(Mark([line], 5 if thick else 2, PRINT))
    return marks


def underline(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """One line below by the same pen, or two."""
    middle, wide, high = _extent(box)
    half = max(wide, 0.5 * high) * rng.uniform(0.5, 0.95)
    below = box[3] + pen + high * rng.uniform(0.02, 0.2)
    tilt = rng.normal(0, 0.04) * half
    lines = 2 if rng.random() < 0.2 else 1
    return [
        Mark([_line(rng, middle[0], below + n * (2 * pen + 6), half, tilt)], pen)
        for n in range(lines)
    ]


def answer_line(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """A printed line that the digit stands on, or hangs a little below."""
    _, wide, high = _extent(box)
    half = high * rng.uniform(0.6, 1.6) + wide / 2
    middle = (box[0] + box[2]) / 2 + rng.uniform(-0.4, 0.4) * half
    at = box[3] + pen / 2 + high * rng.uniform(-0.08, 0.04)
    ends = np.array([(middle - half, at), (middle + half, at)])
    return [Mark([ends], rng.uniform(1.5, 3.5), PRINT)]


def lying_pen(rng: Generator, box: Box, size: Size, pen: float) -> list[Mark]:
    """A pen or a pencil that lies beside the digit and reaches out of the photo."""
    middle, wide, high = _extent(box)
    angle = rng.uniform(-0.5, 0.5) + np.pi / 2 * (rng.random() < 0.75)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]]) * rng.choice([-1, 1])
    thick = rng.uniform(18, 42) * size[0] / 600
    clear = (
        np.abs(across) @ [wide, high] / 2 + thick / 2 + high * rng.uniform(0.08, 0.4)
    )
    tip = middle + across * clear - along * high * rng.uniform(0.1, 1.0)
    body = np.array([tip, tip + along * 2 * max(size)])
    dark, light = rng.uniform(0.03, 0.45, 3), rng.uniform(0.4, 0.8)
    shine = body + across * thick * 0.2
    return [
        Mark([np.array([tip - along * thick, tip])], thick * 0.3, tuple(dark * 0.6)),
        Mark([body], thick, tuple(dark)),
        Mark([shine], thick * 0.14, tuple(dark * 0.5 + light * 0.5)),
    ]


def _extent(box: Box) -> tuple[Stroke, float, float]:
    """Its middle, width and height."""
    left, top, right, bottom = box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    return middle, right - left, bottom - top


def _line(rng: Generator, x: float, y: float, half: float, tilt: float) -> Stroke:
    level = curve(rng, (-1, 0), (0, 0), (1, 0), tremor=0.008)
    return level * half + [x, y] + level[:, :1] * [0, tilt]
