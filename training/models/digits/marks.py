"""What people draw around, under and beside what they write, and lay on the paper.

All functions take places and sizes in pixels of the finder's picture, x before y.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from training.models.digits import papers
from training.models.digits.papers import Mask, Picture, Random
from training.models.digits.writing import Writing

Place = npt.NDArray[Any]


def mark(
    random: Random, picture: Picture, writing: Writing, colour: npt.ArrayLike
) -> None:
    """What people draw around, under and beside what they write."""
    kind = random.random()
    if kind > 0.62 or not writing.boxes:
        if kind > 0.96:
            _frame(random, picture, None)
        return
    boxes = np.array(writing.boxes, np.float32)
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    middle = np.array([left + right, top + bottom]) / 2
    size = np.array([right - left, bottom - top])
    if random.random() < 0.4:
        colour = papers.choose_ink(random, picture.mean(axis=(0, 1)))
    width = random.uniform(0.6, max(1.2, 0.06 * float(size.max())))
    shape = writing.shape
    if kind < 0.25:
        mask = _ring(random, shape, middle, size, width)
    elif kind < 0.46:
        mask = _underline(random, shape, (left, right, bottom), size, width)
    elif kind < 0.54:
        _frame(random, picture, (middle, size))
        return
    else:
        mask = _stray(random, shape, (left, top, right, bottom), size, width)
    papers.paint(picture, mask * np.float32(random.uniform(0.7, 1)), colour)


def _ring(
    random: Random, shape: tuple[int, int], middle: Place, size: Place, width: float
) -> Mask:
    turns = np.linspace(0, random.uniform(1.9, 2.25) * np.pi, 60) + random.uniform(0, 6)
    tight = random.random() < 0.5  # it may touch what stands in it
    ratio = random.uniform(1.05, 1.4) if tight else random.uniform(1.35, 2.1)
    radii = size / 2 * ratio + 1
    if random.random() < 0.5:
        radii = np.full(2, radii.max())
    wobble = 1 + random.uniform(0, 0.06) * np.sin(2 * turns + random.uniform(0, 6))
    wobble = wobble * np.linspace(1, random.uniform(0.95, 1.08), 60)
    places = middle + size * random.normal(0, 0.06, 2)
    places = places + radii * (
        wobble[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    )
    return papers.draw_lines(shape, np.stack([places[:-1], places[1:]], 1), width)


def _underline(
    random: Random,
    shape: tuple[int, int],
    span: tuple[float, float, float],
    size: Place,
    width: float,
) -> Mask:
    left, right, bottom = span
    reach = size.max() * random.uniform(-0.1, 1.2, 2)
    # It may touch what stands on it.
    y = bottom + (
        random.uniform(-1, 2)
        if random.random() < 0.35
        else size.max() * random.uniform(0.03, 0.35)
    )
    slope = random.normal(0, 0.04)
    lines = []
    for number in range(1 + int(random.random() < 0.15)):
        low = y + number * (3 * width + 2)
        knots = np.linspace(left - reach[0], right + reach[1], 8)
        bow = random.normal(0, 0.02) * size.max() * np.sin(np.linspace(0, np.pi, 8))
        places = np.stack([knots, low + slope * (knots - left) + bow], 1)
        lines.append(np.stack([places[:-1], places[1:]], 1))
    return papers.draw_lines(shape, np.concatenate(lines), width)


def _stray(
    random: Random,
    shape: tuple[int, int],
    box: tuple[float, ...],
    size: Place,
    width: float,
) -> Mask:
    """A dash, a tick, an arrow or a word beside it."""
    left, top, right, bottom = box
    away = size.max() * random.uniform(0.3, 1.0)
    side = random.integers(4)
    middle = np.array(
        [
            [left - away, (top + bottom) / 2],
            [right + away, (top + bottom) / 2],
            [(left + right) / 2, top - away],
            [(left + right) / 2, bottom + away],
        ][side]
    )
    angle = random.uniform(0, 2 * np.pi)
    half = (
        size.max()
        * random.uniform(0.05, 0.25)
        * np.array([np.cos(angle), np.sin(angle)])
    )
    lines = [[middle - half, middle + half]]
    if random.random() < 0.4:
        lines.append([middle + half, middle + half * 0.3 + half[::-1] * [0.5, -0.5]])
    return papers.draw_lines(shape, lines, width)


def _frame(
    random: Random, picture: Picture, around: tuple[Place, Place] | None
) -> None:
    """A box, empty or around what was written, alone or among others."""
    shape = picture.shape[:2]
    if around is None:
        size = random.uniform(0.15, 0.6, 2) * shape[1]
        middle = random.uniform(0.3, 0.7, 2) * shape[::-1]
    else:
        middle, size = around[0], around[1] * random.uniform(1.2, 2) + 3
        if random.random() < 0.6:
            size = np.full(2, size.max())
    w, h = size / 2
    tilt = random.normal(0, 0.03)
    x, y = np.array([1, tilt]), np.array([-tilt, 1])
    cells = random.random() < 0.35
    reach = 9.0 if cells else 1.0
    lines = [
        [middle + s * w * x - reach * h * y, middle + s * w * x + reach * h * y]
        for s in (-1, 1)
    ]
    lines += [
        [middle + s * h * y - reach * w * x, middle + s * h * y + reach * w * x]
        for s in (-1, 1)
    ]
    mask = papers.draw_lines(shape, lines, random.uniform(0.5, 2.5))
    ink = papers.choose_ink(random, picture.mean(axis=(0, 1)))
    papers.paint(picture, mask * np.float32(random.uniform(0.5, 1)), ink)


def lay_thing(random: Random, picture: Picture, writing: Writing) -> None:
    """A pen, a ruler or a finger that lies on the paper, not on what is written."""
    height, width = writing.shape
    for _ in range(8):
        angle = (
            random.uniform(0, np.pi)
            if random.random() < 0.5
            else np.pi / 2 + random.normal(0, 0.15)
        )
        middle = random.random(2) * [width, height]
        along = np.array([np.cos(angle), np.sin(angle)])
        half = along * height * random.uniform(0.1, 0.9)
        thick = max(height, width) * random.uniform(0.008, 0.09)
        mask = papers.draw_lines(writing.shape, [[middle - half, middle + half]], thick)
        if (mask * writing.ink).max() == 0:
            if random.random() < 0.4:
                _throw_shadow(random, picture, mask * (writing.ink == 0), thick)
            papers.paint(picture, mask, _any_colour(random))
            if random.random() < 0.6:
                _finish_pen(random, picture, (middle, half, along), thick)
            return


def _finish_pen(
    random: Random, picture: Picture, lies: tuple[Place, Place, Place], thick: float
) -> None:
    """Its shine, its clip and rings, and a tip or a cap of another colour."""
    middle, half, along = lies
    shape = picture.shape[:2]
    across = np.array([-along[1], along[0]])
    for _ in range(int(random.integers(1, 4))):
        start, end = np.sort(random.uniform(-1, 1, 2))
        off = across * thick * random.uniform(-0.35, 0.35)
        line = [[middle + start * half + off, middle + end * half + off]]
        mask = papers.draw_lines(shape, line, thick * random.uniform(0.08, 0.5))
        papers.paint(
            picture, mask * np.float32(random.uniform(0.3, 1)), _any_colour(random)
        )
    end = middle + half * random.choice([-1, 1])
    out = (end - middle) / max(float(np.linalg.norm(half)), 1.0)
    side, reach = across * thick / 2, out * thick * random.uniform(0.3, 2)
    tip = papers.draw_area(shape, [end - side, end + side, end + reach])
    papers.paint(picture, tip, _any_colour(random))


def _throw_shadow(random: Random, picture: Picture, mask: Mask, thick: float) -> None:
    """What lies on paper takes the light from some of it."""
    away = random.normal(0, thick / 2, 2).astype(int)
    shadow = papers.blur(np.roll(mask, away, (0, 1)), float(random.uniform(0.5, 4)))
    papers.shade(picture, 1 - np.float32(random.uniform(0.1, 0.5)) * shadow)


def _any_colour(random: Random) -> npt.NDArray[np.float64]:
    colour: npt.NDArray[np.float64] = random.uniform(0, 255, 3) * random.choice(
        [0.15, 0.5, 1]
    )
    return colour
