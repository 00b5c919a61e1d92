"""What people write on, and what lies around their digit: reflectances, 0 to 1.

A surface is float (height, width, 3). Lengths are in pixels of a sheet 600 wide.
"""

import colorsys
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from matplotlib import get_data_path
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

Plane = npt.NDArray[np.floating]
Size = tuple[int, int]
Paper = Callable[[Generator, Size], Plane]

BICUBIC = Image.Resampling.BICUBIC
WORDS = """
    the of and to in a is that for it as was with be by on not he his but at are this
    have from or had an they which one you were all her she there would their we him
    been has when who will no more if out so up said what its about than into them
""".split()  # noqa: SIM905  # a page of quotation marks else
FACES = ("DejaVuSerif.ttf", "DejaVuSans.ttf", "STIXGeneral.ttf", "cmr10.ttf")


def clouds(rng: Generator, size: Size, cells: int) -> Plane:
    """Smooth noise of deviation 1: float32 (height, width), so many cells wide."""
    width, height = size
    rows = max(2, round(cells * height / width))
    coarse = rng.standard_normal((rows, cells), dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size, BICUBIC))


def tinted(rng: Generator, size: Size, colour: npt.ArrayLike, rough: float) -> Plane:
    """An even surface of one colour, with grain and stains, `rough` their deviation."""
    grain = rng.standard_normal(size[::-1], dtype=np.float32) * 0.5
    uneven = 1 + rough * (grain + clouds(rng, size, 9) + clouds(rng, size, 60) * 0.5)
    return uneven[..., None] * np.asarray(colour, np.float32)


def plain(rng: Generator, size: Size) -> Plane:
    """White, cream or greyish paper."""
    return tinted(rng, size, _white(rng, 0.82, 0.97), 0.012)


def squared(rng: Generator, size: Size) -> Plane:
    """Paper printed with squares of 24 to 60 pixels."""
    sheet, spacing = plain(rng, size), rng.uniform(24, 60) * size[0] / 600
    return _ruled(rng, _ruled(rng, sheet, spacing, 0), spacing, 1)


def ruled(rng: Generator, size: Size) -> Plane:
    """Paper printed with lines 45 to 110 pixels apart."""
    return _ruled(rng, plain(rng, size), rng.uniform(45, 110) * size[0] / 600, 0)


def screen(rng: Generator, size: Size) -> Plane:
    """The canvas of a drawing program, white or nearly so."""
    return np.full((size[1], size[0], 3), rng.choice([1.0, 0.97]), np.float32)


def whiteboard(rng: Generator, size: Size) -> Plane:
    """A whiteboard that was wiped, and not clean."""
    board = tinted(rng, size, _white(rng, 0.88, 0.95), 0.004)
    smears = np.asarray(Image.fromarray(clouds(rng, (40, 400), 40)).resize(size))
    return np.asarray(board * (1 - 0.025 * np.clip(smears, 0, 2))[..., None])


def blackboard(rng: Generator, size: Size) -> Plane:
    """A dark board, green or black, with rests of chalk."""
    colour = [(0.09, 0.2, 0.15), (0.11, 0.12, 0.12), (0.16, 0.24, 0.2)][rng.integers(3)]
    board = tinted(rng, size, colour, 0.06)
    wiped = np.clip(clouds(rng, size, 5) + 0.4 * clouds(rng, size, 25), 0, 3)
    return board + np.asarray(0.035 * wiped)[..., None]


def printed(rng: Generator, size: Size) -> Plane:
    """A page of printed text."""
    unit = size[0] / 600
    points = round(rng.uniform(13, 26) * unit)
    font = _font(str(rng.choice(FACES)), points)
    page = Image.new("L", size)
    pen, left = ImageDraw.Draw(page), rng.uniform(20, 60) * unit
    top, ink = rng.uniform(10, 40) * unit, int(rng.integers(150, 235))
    while top < size[1]:
        pen.text((left, top), " ".join(rng.choice(WORDS, 24)), ink, font)
        top += points * (1.45 if rng.random() > 0.1 else 2.6)
    pen.rectangle((size[0] - left, 0, *size), 0)
    covered = np.asarray(page, np.float32)[..., None] / 255
    return plain(rng, size) * (1 - covered * 0.88)


def pale_pair(
    rng: Generator,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Colours of a paper and of a marker that is not much darker."""
    while True:
        paper = _colour(rng, (0.15, 0.75), (0.8, 1))
        ink = _colour(rng, (0.4, 0.9), (0.5, 1))
        contrast = (paper - ink) @ [0.299, 0.587, 0.114]
        if 0.12 < contrast < 0.3 and np.linalg.norm(paper - ink) > 0.4:
            return paper, ink


def wood(rng: Generator, size: Size) -> Plane:
    """A dark table with its grain."""
    colour = np.array([0.3, 0.19, 0.11]) * rng.uniform(0.5, 1.2)
    rings = np.asarray(
        Image.fromarray(clouds(rng, (600, 20), 150)).resize(size, BICUBIC)
    )
    return tinted(rng, size, colour, 0.08) * (1 + 0.18 * rings)[..., None]


def desk(rng: Generator, size: Size) -> Plane:
    """A light table."""
    return tinted(rng, size, _white(rng, 0.6, 0.9), 0.02)


def creases(rng: Generator, size: Size) -> Plane:
    """How light falls on paper that was crumpled: float32 (height, width), about 1."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    shade = np.ones(size[::-1])
    for _ in range(rng.integers(6, 14)):
        angle = rng.uniform(0, np.pi)
        through = rng.uniform(0.1, 0.9, 2) * size
        off = (x - through[0]) * np.cos(angle) + (y - through[1]) * np.sin(angle)
        tilt, ridge = rng.normal(0, 0.055), rng.normal(0, 0.12)
        shade *= 1 + tilt * np.tanh(off / 2) + ridge * np.exp(-np.abs(off) / 2.5)
    return (shade * 0.85).astype(np.float32)


def _ruled(rng: Generator, sheet: Plane, spacing: float, axis: int) -> Plane:
    """Print parallel lines across an axis: blue, grey or purple, one or two pixels."""
    places = np.arange(sheet.shape[axis]) - rng.uniform(0, spacing)
    wide = rng.uniform(0.5, 0.9) * max(sheet.shape) / 800
    off = np.abs((places + spacing / 2) % spacing - spacing / 2)
    covered = np.clip(wide + 0.5 - off, 0, 1) * rng.uniform(0.3, 0.75)
    covered = np.expand_dims(covered.astype(np.float32), (1 - axis, 2))
    colour = [(0.45, 0.6, 0.8), (0.55, 0.55, 0.58), (0.6, 0.5, 0.75)][rng.integers(3)]
    return sheet * (1 - covered * (1 - np.asarray(colour, np.float32)))


def _colour(
    rng: Generator, full: tuple[float, float], light: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Red, green, blue, of any hue."""
    hsv = rng.random(), rng.uniform(*full), rng.uniform(*light)
    return np.array(colorsys.hsv_to_rgb(*hsv))


def _white(rng: Generator, least: float, most: float) -> npt.NDArray[np.float64]:
    """A white, from a little blue to cream."""
    return rng.uniform(least, most) - rng.uniform(-0.01, 0.1) * np.array([0, 0.35, 1])


@lru_cache(maxsize=64)
def _font(name: str, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}", points)
