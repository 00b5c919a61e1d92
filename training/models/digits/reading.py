"""What the network that reads is trained on besides MNIST: 28×28 pictures as they come.

scenes ─ finder ─ `find_written` ─▶ digits with rests of lines and rings, and mistakes
strokes ─ pen ─ `to_form` ────────▶ European 1s and 7s; letters, scribbles, pairs: 10
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from service.models.digits.finding import Box, find_written
from service.models.digits.form import to_form
from training.core.prediction import slice_rows
from training.core.split import Rows
from training.models.digits.scene_files import Scenes
from training.models.digits.strokes import (
    Glyph,
    Ink,
    draw,
    draw_crossed_seven,
    draw_hooked_one,
    draw_letter,
    join,
    vary,
)
from training.models.digits.writing import MOST_MARKS, NO_DIGIT, Hand

CANVAS = 128
SAME, OTHER = 0.35, 0.1  # shares of two boxes in common: of one thing, of two


def cut_scenes(finder: Any, scenes: Scenes) -> Rows:
    """Cut out what the finder finds, and label it by what is there.

    Args:
        finder: see `build_finder`.
        scenes: what to look at.

    Returns:
        uint8 (rows, 28, 28) and labels, 0 to 9, or 10 where there is no digit.
    """
    inputs, labels = [], []
    for part in slice_rows(len(scenes.pictures), 16):
        maps = finder(scenes.pictures[part].astype(np.float32), training=False)
        ink, cores = maps["ink"].numpy(), maps["cores"].numpy()
        for number, things in enumerate(scenes.things[part]):
            for found in find_written(ink[number], cores[number], MOST_MARKS):
                label = name_box(found.box, *things)
                if label is not None:
                    inputs.append(found.digit)
                    labels.append(label)
    return Rows(np.stack(inputs), np.array(labels))


def name_box(
    box: Box, labels: list[int], boxes: list[tuple[float, float, float, float]]
) -> int | None:
    """The label of what lies in a box: 10 for nothing, None where it is half in it."""
    shares = [_shared(box, each) for each in boxes]
    best = max(shares, default=0.0)
    if best >= SAME:
        return labels[shares.index(best)]
    return NO_DIGIT if best <= OTHER else None


def _shared(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """What two boxes have in common, as a share of what both cover."""
    a, b = np.array(first, float), np.array(second, float)
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    covered = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / max(covered, 1.0)


def draw_rows(hand: Hand, each: int, seed: int) -> Rows:
    """Draw what MNIST has not.

    Args:
        hand: digits, for pairs of them.
        each: rows of European 1s, 7s, scribbles, dashes and pairs; of letters, thrice.
        seed: of everything random.
    """
    random = np.random.default_rng(seed)
    kinds: tuple[tuple[int, int, Callable[[], Glyph]], ...] = (
        (1, each, lambda: vary(draw_hooked_one(random), random, 0.6)),
        (7, each, lambda: vary(draw_crossed_seven(random), random, 0.6)),
        (NO_DIGIT, 3 * each, lambda: vary(draw_letter(random), random, 0.8)),
        (NO_DIGIT, each, lambda: _scribble(random)),
        (NO_DIGIT, each // 2, lambda: _dash(random)),
        (NO_DIGIT, each, lambda: _pair(hand, random)),
    )
    inputs = [
        _written(draw_one(), random) for _, rows, draw_one in kinds for _ in range(rows)
    ]
    labels = [label for label, rows, _ in kinds for _ in range(rows)]
    blank = [_nothing(random) for _ in range(each // 2)]
    return Rows(
        np.stack([*inputs, *blank]), np.array([*labels, *[NO_DIGIT] * len(blank)])
    )


def _written(glyph: Glyph, random: np.random.Generator) -> Ink:
    scale = CANVAS * 0.75
    pen = scale * float(np.exp(random.uniform(np.log(0.02), np.log(0.2))))
    middle = np.full(2, CANVAS / 2, np.float32)
    ink = draw(glyph, (CANVAS, CANVAS), middle, scale, max(pen, 1.5))
    rows, columns = (np.flatnonzero((ink > 127).any(axis=axis)) for axis in (1, 0))
    return to_form(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _scribble(random: np.random.Generator) -> Glyph:
    """A line that turns many times."""
    time = np.linspace(0, 1, 120)[:, None]
    waves = random.integers(2, 9, (3, 2))
    phases, sizes = random.uniform(0, 2 * np.pi, (3, 2)), random.random((3, 2))
    points = sum(
        size * np.sin(2 * np.pi * wave * time + phase)
        for size, wave, phase in zip(sizes, waves, phases, strict=True)
    )
    return join([np.asarray(points, np.float32)])


def _dash(random: np.random.Generator) -> Glyph:
    """A line that lies, or two of them, or a tick."""
    angle = np.radians(random.normal(0, 12))
    half = np.array([np.cos(angle), np.sin(angle)])
    strokes = [np.array([-half, half], np.float32)]
    if random.random() < 0.3:
        strokes.append(strokes[0] + np.array([0, random.uniform(0.3, 1)], np.float32))
    return join(strokes)


def _pair(hand: Hand, random: np.random.Generator) -> Glyph:
    """Two digits so close that they were taken for one thing."""
    first, second = (hand.glyphs[random.integers(len(hand.glyphs))] for _ in range(2))
    apart = (first.size[0] + second.size[0]) / 2 + random.uniform(0.02, 0.3)
    moved = second.points + np.array([apart, random.normal(0, 0.05)], np.float32)
    whole = Glyph(
        np.concatenate([first.points, moved]),
        np.concatenate([first.edges, second.edges + len(first.points)]),
    )
    return vary(whole, random, 0.6)


def _nothing(random: np.random.Generator) -> Ink:
    """An empty picture, or one of noise alone."""
    much = random.choice([0, 20, 80, 255])
    noise = random.random((28, 28)) ** random.choice([1, 3, 8]) * much
    grey: Ink = noise.astype(np.uint8)
    return grey
