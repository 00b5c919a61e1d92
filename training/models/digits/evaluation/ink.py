"""Handwriting as strokes: traced from MNIST's test images and from letters, or drawn.

A stroke is float64 (points, 2), x then y, y downwards; what one writes is a list of
them, its longer side 1, its middle at 0.
"""

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, gaussian_filter1d, zoom
from skimage.morphology import skeletonize

Stroke = npt.NDArray[np.float64]
Strokes = list[Stroke]

FINER = 4  # MNIST's pixels are divided so often before strokes are traced
SHORTEST = 8  # points of a traced stroke; what is shorter is a spur of the skeleton
AROUND = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
HANDS = ("DejaVuSans-Oblique", "DejaVuSans", "STIXGeneralItalic", "cmss10", "cmti10")
LETTERS = "AEFHKMNRVWXkmwx"  # none of which a hurried hand writes as a digit


def trace(image: npt.NDArray[np.uint8]) -> Strokes:
    """The middle of each stroke of an image.

    Args:
        image: (height, width) uint8, 0 = background, 255 = ink.
    """
    fine = gaussian_filter(zoom(image.astype(np.float32), FINER, order=3), 1.2)
    left = {(int(x), int(y)) for y, x in np.argwhere(skeletonize(fine > 128))}
    done: set[tuple[int, int]] = set()
    paths = []
    while left:
        paths.append(_follow(left, done))
    paths.sort(key=len, reverse=True)
    kept = [path for path in paths if len(path) >= SHORTEST] or paths[:1]
    return normalised([_smooth(np.array(path, float), 3) for path in kept])


def _follow(
    left: set[tuple[int, int]], done: set[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Take one path out of a skeleton's pixels, from an end where there is one."""
    here = min(left, key=lambda pixel: (len(_near(pixel, left)), pixel))
    path = [*_near(here, done)[:1], here]
    step = (0, 0)
    while True:
        left.discard(here)
        done.add(here)
        if not (ways := _near(here, left)):
            return path + [p for p in _near(here, done) if p not in path[-4:]][:1]
        there = max(ways, key=lambda to: _along(here, to, step))
        step = (
            there[0] - path[-min(4, len(path))][0],
            there[1] - path[-min(4, len(path))][1],
        )
        here = there
        path.append(here)


def _near(
    pixel: tuple[int, int], pixels: set[tuple[int, int]]
) -> list[tuple[int, int]]:
    places = ((pixel[0] + x, pixel[1] + y) for x, y in AROUND)
    return [place for place in places if place in pixels]


def _along(here: tuple[int, int], to: tuple[int, int], step: tuple[int, int]) -> float:
    """How far a step goes on as before; sides come a little before corners."""
    x, y = to[0] - here[0], to[1] - here[1]
    return (x * step[0] + y * step[1]) / float(np.hypot(x, y)) - 0.1 * abs(x * y)


def _smooth(points: Stroke, deviation: float) -> Stroke:
    """Points moved towards their neighbours; the ends stay."""
    smoothed = gaussian_filter1d(points, deviation, axis=0, mode="nearest")
    smoothed[0], smoothed[-1] = points[0], points[-1]
    return np.asarray(smoothed, np.float64)


def curve(
    rng: Generator, *corners: tuple[float, float], tremor: float = 0.02
) -> Stroke:
    """One stroke of an unsteady hand along corners, which it rounds off."""
    points = np.array(corners) + rng.normal(0, tremor, (len(corners), 2))
    lengths = np.hypot(*np.diff(points, axis=0).T)
    places = np.concatenate([[0], np.cumsum(lengths)])
    even = np.linspace(0, places[-1], 60)
    dense = np.stack([np.interp(even, places, axis) for axis in points.T], axis=1)
    wobble = gaussian_filter1d(rng.normal(0, 0.1, dense.shape), 8, axis=0)
    return _smooth(dense + tremor * 4 * wobble, rng.uniform(0.8, 2.5))


def normalised(strokes: Strokes) -> Strokes:
    """The same with its longer side 1 and its middle at 0."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    return [(each - (low + high) / 2) / max(1e-6, *(high - low)) for each in strokes]


def hooked_one(rng: Generator) -> Strokes:
    """A 1 as much of Europe writes it: an upstroke, which many take for a 7's bar."""
    lean, wide, deep = (
        rng.uniform(0, 0.3),
        rng.uniform(0.2, 0.45),
        rng.uniform(0.2, 0.45),
    )
    hook = (lean / 2 - wide, -0.5 + deep)
    ways = [hook, (lean / 2, -0.5), (0, rng.uniform(-0.1, 0.1)), (-lean / 2, 0.5)]
    return normalised([curve(rng, *ways)])


def footed_one(rng: Generator) -> Strokes:
    """A 1 with an upstroke and a foot."""
    wide, deep, foot = (
        rng.uniform(0.12, 0.3),
        rng.uniform(0.1, 0.3),
        rng.uniform(0.15, 0.3),
    )
    stem = curve(rng, (-wide, -0.5 + deep), (0, -0.5), (0, 0.5), tremor=0.015)
    return normalised([stem, curve(rng, (-foot, 0.5), (foot, 0.5), tremor=0.015)])


def crossed_seven(rng: Generator) -> Strokes:
    """A 7 with a bar across its stem."""
    lean, half, at = (
        rng.uniform(0.05, 0.3),
        rng.uniform(0.12, 0.22),
        rng.uniform(-0.1, 0.1),
    )
    stem = curve(rng, (-0.3, -0.48), (0.28, -0.5), (0.14 - lean / 2, 0), (-lean, 0.5))
    middle = 0.14 - lean / 2
    tilt = rng.uniform(-0.06, 0.03)
    bar = curve(rng, (middle - half, at - tilt), (middle + half, at + tilt))
    return normalised([stem, bar])


def letter(rng: Generator) -> Strokes:
    """A letter unlike any digit, written with a pen."""
    font = _font(str(rng.choice(HANDS)), 40)
    sheet = Image.new("L", (64, 64))
    ImageDraw.Draw(sheet).text((12, 8), str(rng.choice(list(LETTERS))), 255, font)
    bent = [_smooth(each, 2) for each in trace(np.asarray(sheet))]
    turn = rng.normal(0, 0.08, (2, 2)) + np.eye(2)
    return normalised([each @ turn for each in bent])


def scribble(rng: Generator) -> Strokes:
    """A line that goes to and fro."""
    corners = rng.uniform(-0.5, 0.5, (int(rng.integers(9, 22)), 2))
    return normalised([curve(rng, *map(tuple, corners.tolist()))])


def draw(
    strokes: Strokes, size: tuple[int, int], width: float, rng: Generator
) -> npt.NDArray[np.float32]:
    """Draw with a round pen, pressed now more and now less.

    Args:
        strokes: in pixels of the sheet.
        size: of the sheet: width, height.
        width: of the pen, in pixels.
        rng: what the pressure follows.

    Returns:
        (height, width) float32: the share of each pixel that is covered, 0 to 1.
    """
    sheet = Image.new("L", (size[0] * 2, size[1] * 2))
    pen = ImageDraw.Draw(sheet)
    for points in strokes:
        waves = rng.uniform(0.88, 1.12, 6)
        places = np.linspace(0, 5, len(points))
        widths = width * np.interp(places, np.arange(6), waves)
        for (x, y), wide in zip(points * 2, widths, strict=True):
            pen.ellipse((x - wide, y - wide, x + wide, y + wide), 255)
        for (start, end), wide in zip(pairwise(points * 2), widths, strict=False):
            pen.line([*start, *end], 255, max(1, round(2 * wide)))
    return np.asarray(sheet.reduce(2), np.float32) / np.float32(255)


@lru_cache(maxsize=64)
def _font(name: str, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"{name}.ttf"), points)
