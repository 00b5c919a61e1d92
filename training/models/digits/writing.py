"""Digits, letters and numbers are written onto a sheet, here only as their ink."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import zoom

from training.models.digits.papers import Mask, Random
from training.models.digits.strokes import (
    Glyph,
    draw,
    draw_crossed_seven,
    draw_hooked_one,
    draw_letter,
    vary,
)

Place = npt.NDArray[Any]  # x and y
Corners = npt.NDArray[Any]  # (4, 2)

NO_DIGIT = 10


MOST_MARKS = 6


@dataclass(frozen=True, slots=True)
class Hand:
    """The digits that may be written.

    Attributes:
        images: uint8 (rows, 28, 28), 255 = ink.
        glyphs: the same, traced.
        labels: (rows,).
    """

    images: npt.NDArray[np.uint8]
    glyphs: list[Glyph]
    labels: npt.NDArray[np.integer]


@dataclass(slots=True)
class Writing:
    """What was written, in pixels of the finder's picture."""

    shape: tuple[int, int]
    ink: Mask
    labels: list[int] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, label: int, ink: Mask) -> None:
        """Add one thing."""
        rows, columns = (np.flatnonzero((ink > 0.5).any(axis=a)) for a in (1, 0))
        if len(rows) and len(columns):
            np.maximum(self.ink, ink, out=self.ink)
            self.labels.append(label)
            self.boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def write(
    hand: Hand,
    random: Random,
    shape: tuple[int, int],
    sheet: npt.NDArray[np.float64] | None,
    scale: float,
) -> Writing:
    """Write nothing, a digit, several or a letter, about `scale` pixels large."""
    writing = Writing(shape, np.zeros(shape, np.float32))
    room = (
        min(shape)
        if sheet is None
        else float(np.diff(np.sort(sheet, axis=0)[1:3], axis=0).min())
    )
    scale = min(scale, 0.85 * room)
    pen = max(1.1, scale * float(np.exp(random.uniform(np.log(0.022), np.log(0.17)))))
    kind = random.random()
    if kind < 0.06:
        return writing
    if kind < 0.3:
        _write_row(hand, random, writing, sheet, scale)
    elif kind < 0.4:
        centre = somewhere(random, shape, scale, sheet)
        glyph = vary(draw_letter(random), random)
        writing.add(NO_DIGIT, _drawn(glyph, shape, centre, scale, pen))
    else:
        write_one(
            hand, random, writing, somewhere(random, shape, scale, sheet), scale, pen
        )
    return writing


def _write_row(
    hand: Hand,
    random: Random,
    writing: Writing,
    sheet: npt.NDArray[np.float64] | None,
    scale: float,
) -> None:
    """Several, as a number or apart."""
    count = int(random.integers(2, MOST_MARKS))
    width = (
        writing.shape[1]
        if sheet is None
        else float(np.ptp(np.sort(sheet, axis=0)[1:3, 0]))
    )
    gap = random.uniform(0.02, 0.5)
    scale = min(scale, 0.9 * width / (count * (0.75 + gap)))
    pen = max(1.1, scale * float(np.exp(random.uniform(np.log(0.03), np.log(0.14)))))
    x, y = somewhere(random, writing.shape, scale, sheet)
    x = max(2.0, min(x, writing.shape[1] / 2) - scale * (0.7 + gap) * (count - 1) / 2)
    if sheet is not None:
        x = max(x, np.sort(sheet[:, 0])[1] + 3)
    fixed = random.random() < 0.35  # in cells of one width
    for _ in range(count):
        one, label = _choose(hand, random)
        tall = scale * random.uniform(0.85, 1.1) / max(float(one.size[1]), 0.5)
        w = float(one.size[0]) * tall
        pitch = 0.9 * scale if fixed else w
        centre = np.array([x + pitch / 2, y + random.normal(0, 0.04) * scale])
        writing.add(label, _drawn(one, writing.shape, centre, tall, pen))
        x += pitch + (gap + random.uniform(0, 0.1)) * scale + pen


def _choose(hand: Hand, random: Random) -> tuple[Glyph, int]:
    kind = random.random()
    if kind < 0.08:
        return vary(draw_hooked_one(random), random, 0.5), 1
    if kind < 0.13:
        return vary(draw_crossed_seven(random), random, 0.5), 7
    row = int(random.integers(len(hand.labels)))
    return vary(hand.glyphs[row], random), int(hand.labels[row])


def write_one(
    hand: Hand,
    random: Random,
    writing: Writing,
    centre: npt.NDArray[np.float64],
    scale: float,
    pen: float,
) -> None:
    """Write a digit, traced or in MNIST's own ink."""
    if random.random() < 0.15:
        row = int(random.integers(len(hand.labels)))
        ink = place_image(hand.images[row], writing.shape, centre, scale)
        writing.add(int(hand.labels[row]), ink)
    else:
        glyph, label = _choose(hand, random)
        writing.add(label, _drawn(glyph, writing.shape, centre, scale, pen))


def _drawn(
    glyph: Glyph,
    shape: tuple[int, int],
    centre: npt.ArrayLike,
    scale: float,
    pen: float,
) -> Mask:
    drawn = draw(glyph, shape[::-1], np.asarray(centre, np.float32), scale - pen, pen)
    return drawn.astype(np.float32) / np.float32(255)


def place_image(
    image: npt.NDArray[np.uint8],
    shape: tuple[int, int],
    centre: npt.NDArray[np.floating],
    scale: float,
) -> Mask:
    """MNIST's own ink, enlarged: its 20 pixels come to `scale`."""
    large = zoom(image.astype(np.float32) / 255, scale / 20, order=1)
    sharp = np.clip((large - 0.5) * max(1.0, scale / 40) + 0.5, 0, 1)
    ink = np.zeros(shape, np.float32)
    top, left = (
        round(c - s / 2) for c, s in zip(centre[::-1], sharp.shape, strict=True)
    )
    y, x = max(top, 0), max(left, 0)
    part = sharp[y - top : y - top + shape[0] - y, x - left : x - left + shape[1] - x]
    ink[y : y + part.shape[0], x : x + part.shape[1]] = part
    return ink


def choose_sheet(
    random: Random, shape: tuple[int, int]
) -> npt.NDArray[np.float64] | None:
    """The four corners of the sheet, if it does not fill the picture."""
    if random.random() < 0.6:
        return None
    height, width = shape
    inset = random.uniform(-0.06, 0.22, 4) * [width, height, width, height]
    left, top, right, bottom = inset * [1, 1, -1, -1] + [0, 0, width, height]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    corners += random.normal(0, 0.012 * width, (4, 2))
    turn, middle = np.radians(random.normal(0, 4)), corners.mean(axis=0)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned: Corners = (corners - middle) @ matrix.T + middle
    return turned


def somewhere(
    random: Random,
    shape: tuple[int, int],
    scale: float,
    sheet: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    """A middle for something of a size, so that it lies on the sheet."""
    low, high = np.zeros(2), np.array(shape[::-1], float)
    if sheet is not None:
        ordered = np.sort(sheet, axis=0)
        low, high = np.maximum(low, ordered[1] + 3), np.minimum(high, ordered[2] - 3)
    room = np.maximum((high - low - 1.1 * scale) / 2, 0)
    spread = random.uniform(-1, 1, 2) * (1 if random.random() < 0.5 else 0.45)
    middle: npt.NDArray[np.float64] = (low + high) / 2 + spread * room
    return middle
