"""Handwriting as lines of a pen, which can be drawn at any size, by any pen.

MNIST's digits are traced. What MNIST has not, as its writers were American, is drawn as
people in Europe are taught to: a 1 with an upstroke, a 7 with a bar. Letters and signs
are A. V. Hershey's, who drew them as strokes ("Calligraphy for computers", 1967).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from HersheyFonts import HersheyFonts
from PIL import Image, ImageDraw
from scipy.ndimage import zoom
from scipy.sparse import coo_array, eye_array
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

Points = npt.NDArray[np.float32]
Ink = npt.NDArray[np.uint8]

FINER = 4  # times as large as MNIST is the picture whose middle lines are taken
SMOOTHINGS = 6  # of the traced lines: each pixel goes to the mean of its neighbours
SUPERSAMPLING = 2  # for smooth outlines

FONTS = ("futural", "futuram", "rowmans", "rowmant", "scripts", "cursive", "timesi")
LIKE_DIGITS = "OoDQUIiLlJjtZzSsBbGgqyYAh"  # a hasty one may well be a digit
LETTERS = [c for c in map(chr, range(65, 123)) if c.isalpha() and c not in LIKE_DIGITS]
SIGNS = list("?#&@%*=+")


@dataclass(frozen=True, slots=True)
class Glyph:
    """Lines of a pen.

    Attributes:
        points: float32 (points, 2), x to the right and y down; the longer side of what
            they cover is 1, its centre 0.
        edges: int (edges, 2), the points that are joined.
    """

    points: Points
    edges: npt.NDArray[np.integer]

    @property
    def size(self) -> Points:
        """Width and height."""
        extent: Points = np.ptp(self.points, axis=0)
        return extent


def trace(image: Ink) -> Glyph:
    """The middle lines of the ink of uint8 (28, 28), 255 = ink."""
    fine = zoom(image.astype(np.float32), FINER, order=1)
    places = np.argwhere(skeletonize(fine > 127)).astype(np.float32)
    if len(places) < 2:
        places = np.argwhere(fine >= fine.max()).astype(np.float32)[:2]
    edges = cKDTree(places).query_pairs(1.5, output_type="ndarray")
    count = len(places)
    joined = coo_array((np.ones(len(edges)), edges.T), shape=(count, count))
    around = joined + joined.T + eye_array(count)
    mean = around.multiply(1 / around.sum(axis=1)[:, None]).tocsr()
    for _ in range(SMOOTHINGS):
        places = mean @ places
    return _boxed(places[:, ::-1], edges)


def join(strokes: list[Points]) -> Glyph:
    """Strokes, each a line through points of its own."""
    starts = np.cumsum([0, *map(len, strokes)])
    edges = [
        np.stack([np.arange(a, b - 1), np.arange(a + 1, b)], axis=1)
        for a, b in pairwise(starts)
    ]
    return _boxed(np.concatenate(strokes), np.concatenate(edges))


def _boxed(points: Points, edges: npt.NDArray[np.integer]) -> Glyph:
    low, high = points.min(axis=0), points.max(axis=0)
    scale = max(float((high - low).max()), 1e-3)
    return Glyph(((points - (low + high) / 2) / scale).astype(np.float32), edges)


def draw_hooked_one(random: np.random.Generator) -> Glyph:
    """A 1 with an upstroke, as it is taught in Europe; some stand on a foot."""
    reach, angle = random.uniform(0.2, 0.62), np.radians(random.uniform(27, 62))
    start = reach * np.array([-np.cos(angle), np.sin(angle)])
    if random.random() < 0.5:
        start[1] = min(start[1], random.uniform(0.15, 0.45))
    bend = start / 2 + random.normal(0, 0.06, 2) * [1, 1]
    slant, sag = random.normal(-0.12, 0.14), random.normal(0, 0.03)
    strokes = [
        _curve([start, bend, (0, 0)]),
        _curve([(0, 0), (slant / 2 + sag, 0.5), (slant, 1)]),
    ]
    if random.random() < 0.25:
        left, right = random.uniform(0.08, 0.35, 2)
        tilt = random.normal(0, 0.03)
        strokes.append(_curve([(slant - left, 1 + tilt), (slant + right, 1 - tilt)]))
    return join(strokes)


def draw_crossed_seven(random: np.random.Generator) -> Glyph:
    """A 7 with a bar through its stem, or without, its head level."""
    width, rise = random.uniform(0.45, 0.8), random.normal(0.0, 0.06)
    corner = np.array([width / 2, -rise])
    foot = np.array([random.uniform(-0.35, 0.15), 1.0])
    middle = corner + (foot - corner) * random.uniform(0.4, 0.6)
    belly = np.add(middle, [random.normal(-0.03, 0.05), 0])
    head = [(-width / 2, 0), (0, random.normal(-rise / 2, 0.04)), corner]
    strokes = [_curve(head), _curve([corner, belly, foot])]
    if random.random() < 0.3:
        strokes.append(
            _curve([(-width / 2, 0), (-width / 2, random.uniform(0.06, 0.2))])
        )
    if random.random() < 0.85:
        left, right = random.uniform(0.15, 0.4, 2)
        tilt = random.normal(0.02, 0.05)
        strokes.append(
            _curve(
                [np.add(middle, [-left, tilt]), middle, np.add(middle, [right, -tilt])]
            )
        )
    return join(strokes)


def _curve(knots: Sequence[Any], points: int = 16) -> Points:
    """A Bézier curve of degree 1 or 2 through its ends."""
    ends = np.array(knots, np.float32)
    t = np.linspace(0, 1, points, dtype=np.float32)[:, None]
    if len(ends) == 2:
        return np.asarray((1 - t) * ends[0] + t * ends[1], np.float32)
    middle = 2 * ends[1] - (ends[0] + ends[2]) / 2
    bent = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[2]
    return np.asarray(bent, np.float32)


@cache
def letter(character: str, font: str) -> Glyph:
    """One of `LETTERS` or `SIGNS` in one of `FONTS`."""
    strokes = [
        np.array(list(stroke), np.float32)
        for stroke in _load_font(font).strokes_for_text(character)
    ]
    return join([stroke for stroke in strokes if len(stroke) > 1])


@cache
def _load_font(font: str) -> HersheyFonts:
    loaded = HersheyFonts()
    loaded.load_default_font(font)
    return loaded


def draw_letter(random: np.random.Generator) -> Glyph:
    """A letter or, one time in eight, a sign, none of which is like a digit."""
    characters = SIGNS if random.random() < 1 / 8 else LETTERS
    return letter(str(random.choice(characters)), str(random.choice(FONTS)))


def vary(glyph: Glyph, random: np.random.Generator, much: float = 1.0) -> Glyph:
    """The same by another hand: turned, slanted, stretched, wobbly.

    Args:
        glyph: what to write.
        random: decides how.
        much: 1 = as far as most people's hands differ.
    """
    turn = np.radians(random.normal(0, 6 * much))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ [[1, random.normal(0, 0.12 * much)], [0, 1]]
    matrix = matrix * np.exp(random.normal(0, 0.1 * much, 2))
    points = glyph.points @ matrix.T
    for _ in range(3):
        wave = random.normal(0, 4, (2, 2))
        phase = random.uniform(0, 2 * np.pi, 2)
        points = points + 0.015 * much * np.sin(points @ wave + phase)
    return _boxed(points.astype(np.float32), glyph.edges)


def draw(
    glyph: Glyph, canvas: tuple[int, int], centre: Points, scale: float, pen: float
) -> Ink:
    """Draw a glyph with a round pen.

    Args:
        glyph: what to draw.
        canvas: width and height of the picture, pixels.
        centre: where the glyph's middle comes to lie, pixels.
        scale: its longer side, pixels.
        pen: width of the stroke, pixels.

    Returns:
        uint8 (height, width), 255 = ink, with smooth outlines.
    """
    times = SUPERSAMPLING
    picture = Image.new("L", (canvas[0] * times, canvas[1] * times))
    brush = ImageDraw.Draw(picture)
    places = (glyph.points * scale + centre) * times
    radius = pen * times / 2
    for first, second in places[glyph.edges].reshape(-1, 4).reshape(-1, 2, 2):
        brush.line([*first, *second], 255, max(1, round(2 * radius)))
    if radius > 0.8:
        for x, y in places:
            brush.ellipse([x - radius, y - radius, x + radius, y + radius], 255)
    return np.asarray(picture.reduce(times))
