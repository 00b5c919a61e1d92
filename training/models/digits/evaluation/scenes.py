"""What is written, with a pen, on a paper, in a light: a photo of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from training.models.digits.evaluation import camera, marks, papers
from training.models.digits.evaluation.camera import Box, Camera, Light
from training.models.digits.evaluation.ink import Strokes, draw
from training.models.digits.evaluation.marks import Around
from training.models.digits.evaluation.papers import Paper, Plane, Size

INKS = ((0.1, 0.13, 0.45), (0.13, 0.2, 0.6), (0.08, 0.08, 0.1), (0.12, 0.12, 0.12))
BRIGHT = ((0.72, 0.1, 0.12), (0.1, 0.13, 0.5), (0.75, 0.15, 0.1), (0.12, 0.2, 0.65))
BOARD = (*INKS, (0.7, 0.1, 0.12), (0.05, 0.4, 0.2))
LEAD = ((0.3, 0.3, 0.32), (0.42, 0.42, 0.43))
CHALK = ((0.92, 0.92, 0.88), (0.9, 0.9, 0.9), (0.93, 0.88, 0.55))


@dataclass(frozen=True, slots=True)
class Pen:
    """What writes.

    Attributes:
        width: least and most, as a share of the height of a digit.
        colours: one of which it has: red, green, blue.
        rough: share of its ink that the grain of the paper leaves out.
    """

    width: tuple[float, float]
    colours: tuple[tuple[float, float, float], ...] = INKS
    rough: float = 0.05


BALLPOINT, FELT, MARKER = Pen((0.026, 0.05)), Pen((0.05, 0.085)), Pen((0.085, 0.13))
PENCIL = Pen((0.02, 0.05), LEAD, rough=0.45)


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and with what something is written, and how it is photographed.

    Attributes:
        paper: what is written on.
        pens: one of which is taken.
        around: what stands about the digit.
        height: least and most of a digit, in pixels of a sheet 600 wide.
        reach: how far from the middle ink may come, as a share of the sheet's sides.
        pale: whether paper and ink differ in hue more than in brightness.
        creased: whether the paper was crumpled.
        table: what the sheet lies on.
        margin: see `camera.place`.
        light: what falls on it.
        camera: what takes the photo.
    """

    paper: Paper = papers.plain
    pens: tuple[Pen, ...] = (BALLPOINT, FELT, MARKER)
    around: Around = marks.nothing
    height: tuple[float, float] = (110, 400)
    reach: float = 0.36
    pale: bool = False
    creased: bool = False
    table: Paper = papers.desk
    margin: tuple[float, float] = (-0.05, 0.03)
    light: Light = camera.soft
    camera: Camera = camera.DAY


@dataclass(frozen=True, slots=True)
class Picture:
    """A file, and what is to be read in it.

    Attributes:
        data: the file.
        media_type: of the file.
        answer: the digits that stand there, in order; "" = none that could be meant.
        box: left, top, right, bottom of their ink in pixels, if known.
    """

    data: bytes
    media_type: str
    answer: str
    box: Box | None = None


def photo(written: Strokes, answer: str, setting: Setting, rng: Generator) -> Picture:
    """Write something, and photograph it.

    Args:
        written: in heights of a digit, about 0; what is written nowhere: no strokes.
        answer: see `Picture`.
        setting: where, and with what.
        rng: everything that is left to chance.
    """
    size = (setting.camera.width, setting.camera.width * 4 // 3)
    pen = setting.pens[rng.integers(len(setting.pens))]
    height = _between(rng, setting.height) * size[0] / 600
    strokes, height = _laid(written, height, size, setting.reach, rng)
    width = max(2.2, height * rng.uniform(*pen.width))
    sheet, ink = _write(strokes, width, pen, setting, size, rng)
    if setting.creased:
        sheet = sheet * papers.creases(rng, size)[..., None]
    table = setting.table(rng, size)
    scene, ink = camera.place(sheet.astype(np.float32), ink, table, rng, setting.margin)
    box = bounds(ink) or (size[0] * 0.3, size[1] * 0.3, size[0] * 0.7, size[1] * 0.7)
    light = setting.light(rng, size, box)
    data = camera.photograph(scene, light, setting.camera, rng)
    return Picture(data, "image/jpeg", answer, bounds(ink))


def _write(
    strokes: Strokes,
    width: float,
    pen: Pen,
    setting: Setting,
    size: Size,
    rng: Generator,
) -> tuple[Plane, Plane]:
    """The sheet, written on, and the share of each pixel that the writing covers."""
    colour: npt.ArrayLike = pen.colours[rng.integers(len(pen.colours))]
    sheet = setting.paper(rng, size)
    if setting.pale:
        tint, colour = papers.pale_pair(rng)
        sheet = papers.tinted(rng, size, tint, 0.012)
    ink = draw(strokes, size, width, rng)
    box = bounds(ink) or _anywhere(rng, size)
    for mark in setting.around(rng, box, size, width):
        covered = draw(mark.strokes, size, mark.width, rng)
        sheet = _lay(sheet, covered, mark.colour or colour, rng, pen.rough)
    return _lay(sheet, ink, colour, rng, pen.rough), ink


def _lay(
    sheet: Plane, covered: Plane, colour: npt.ArrayLike, rng: Generator, rough: float
) -> Plane:
    """Lay ink on a sheet; `rough` of it misses the hollows of the paper."""
    box = bounds(covered, 0)
    if not box:
        return sheet
    left, top, right, bottom = (int(each) for each in box)
    part, ink = sheet[top:bottom, left:right], covered[top:bottom, left:right]
    grain = 0.5 + 0.6 * rng.standard_normal(ink.shape, dtype=np.float32)
    share = (ink * (0.97 - rough * np.clip(grain, 0, 1)))[..., None]
    inked = sheet.copy()
    inked[top:bottom, left:right] += share * (np.asarray(colour, np.float32) - part)
    return inked


def _laid(
    written: Strokes, height: float, size: Size, reach: float, rng: Generator
) -> tuple[Strokes, float]:
    """Turn a little, enlarge and move to somewhere on the sheet; and the height."""
    if not written:
        return [], height
    turn = rng.normal(0, 0.07)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned = [stroke @ matrix for stroke in written]
    half = np.abs(np.concatenate(turned)).max(axis=0)
    height = min(height, *(0.32 * np.array(size) / half))
    room = np.array(size) * reach - half * height
    middle = np.array(size) / 2 + rng.uniform(-1, 1, 2) * np.maximum(0, room)
    return [stroke * height + middle for stroke in turned], height


def bounds(ink: Plane, least: float = 0.5) -> Box | None:
    """Left, top, right, bottom of what is covered more than so; None if nothing is."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > least) for axis in (1, 0))
    if not len(rows):
        return None
    return (float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)


def _anywhere(rng: Generator, size: Size) -> Box:
    side = rng.uniform(0.15, 0.4) * size[0]
    left, top = rng.uniform(0.2, 0.8, 2) * (np.array(size) - side)
    return left, top, left + side, top + side


def _between(rng: Generator, limits: Sequence[float]) -> float:
    """As often in the lower half of a range of sizes as in the upper, by ratio."""
    return float(np.exp(rng.uniform(*np.log(limits))))
