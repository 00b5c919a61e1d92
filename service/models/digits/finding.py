"""What the model's two maps of a picture say: where is a digit, and which ink is its?

    cores ─ parts ─▶ one place for each thing that was written
    ink ─ each pixel to the nearest place ─ strokes ─ MNIST's form ─▶ its 28×28

All functions are pure: arrays in, arrays out.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from service.models.digits.form import to_form
from service.web.imaging.components import Components, connected

DOUBTFUL_FROM = "no_digit_doubtful_from"  # the constant of a version: a probability
FINE, COARSE = 224, 112  # sides of the maps of ink and of cores, in pixels
CORE = 0.36  # a core's half axes, as a share of the sides of what was written
LEAST_CORE, NARROWEST = 2.0, 0.4  # its least width; the least ratio of its sides
LIKELY = 0.5  # that a pixel is a core's, or is ink
FAINTEST, DARKEST = 0.25, 0.75  # what is between is the outline of a stroke
# From a place, in half the sides of what was written there, squared: pixels that may be
# ink of it, and the nearest of those that hang together. A ring is all far.
FARTHEST, NEAREST = 3.6, 1.3
INNER = 0.6  # likewise, of what hangs together: from there on it may be a frame
WIDEST = 1.2  # of the height: wider ink may be two digits that touch
LEVEL = 0.8  # of the median height: the least of a number's digit
FRAMED = 0.3  # of a frame's longer side: less within it is a speck
TALL, ASIDE = 0.5, 0.2  # of the tallest, of the narrower: strokes side by side

Box = tuple[int, int, int, int]
Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stroke:
    """Ink that hangs together, or as much of it as belongs to one place.

    Attributes:
        rows, columns: of its pixels.
        level: uint8 of each, 255 = ink.
        reach: how near it comes to the middle of its place; see `NEAREST`.
        box: around what is surely ink.
    """

    rows: Ints
    columns: Ints
    level: Grey
    reach: float
    box: Box

    @property
    def height(self) -> int:
        """Of its box."""
        return self.box[3] - self.box[1]

    @property
    def width(self) -> int:
        """Of its box."""
        return self.box[2] - self.box[0]


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was written.

    Attributes:
        digit: uint8 (28, 28), 255 = ink, in MNIST's form.
        box: left, top, right, bottom in pixels of the map of ink.
        parts: What it consists of, should it be no digit as a whole.
    """

    digit: Grey
    box: Box
    parts: tuple["Found", ...] = ()

    @property
    def size(self) -> int:
        """The longer side of its box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


def find_written(
    ink: Floats, cores: Floats, most: int, *, beside: bool = False
) -> list[Found]:
    """Everything that was written, the largest first.

    Args:
        ink: float32 (224, 224), the probability that a pixel is ink.
        cores: float32 (112, 112), likewise that it is the middle of something.
        most: How many to look at, the largest ones.
        beside: Whether ink that is no place's, but stands in line with what was found,
            was written too: a narrow 1 in a number.
    """
    places = _places(connected(cores > LIKELY))[:, :most]
    if beside and places.size:
        places = _level(places)
    parts = connected(ink > FAINTEST)
    rows, columns = np.nonzero(parts.labels >= 0)
    if not places.size or not rows.size:
        return []
    part = parts.labels[rows, columns]
    owner, far = _owners(rows, columns, places, part)
    if beside:
        owner = _undivided(owner, part, parts.box)
    share = (ink[rows, columns] - FAINTEST) / (DARKEST - FAINTEST)
    level = np.clip(share * 255, 0, 255).astype(np.uint8)
    strokes = _strokes(rows, columns, level, far, owner * parts.area.size + part)
    by_place = groupby(strokes, lambda key: key // parts.area.size)
    found = [_put_together([strokes[key] for key in keys]) for _, keys in by_place]
    if beside and found:
        free = owner < 0
        others = _strokes(
            rows[free], columns[free], level[free], far[free], part[free]
        ).values()
        found += [_cut_out([each]) for each in others if _in_line(each, found)]
    return sorted(found, key=lambda each: -each.size)


def _places(parts: Components) -> Floats:
    """Middle (y, x) and half sides (y, x) of what was written: float (4, places)."""
    top, left, bottom, right = parts.box * (FINE / COARSE)
    step = FINE / COARSE
    height, width = bottom + step - top, right + step - left
    tall = np.maximum(height, LEAST_CORE) / (2 * CORE)
    wide = np.maximum(width, LEAST_CORE) / (2 * CORE)
    half_height, half_width = (
        np.maximum(tall, NARROWEST * wide) / 2,
        np.maximum(wide, NARROWEST * tall) / 2,
    )
    places = np.stack([top + height / 2, left + width / 2, half_height, half_width])
    return places[:, np.argsort(-half_height * half_width, kind="stable")]


def _level(places: Floats) -> Floats:
    """Digits of a number are about as high as each other: the lower ones are raised."""
    y, x, half_height, half_width = places
    tall = np.maximum(half_height, LEVEL * np.median(half_height))
    return np.stack([y, x, tall, np.maximum(half_width, NARROWEST * tall)])


def _owners(
    rows: Ints, columns: Ints, places: Floats, part: Ints
) -> tuple[Ints, Floats]:
    """The place that each pixel of ink belongs to, -1 = none; and how far off it is."""
    y, x, half_height, half_width = places[:, :, np.newaxis]
    down, right = (rows + 0.5 - y) / half_height, (columns + 0.5 - x) / half_width
    far = down * down + right * right
    owner, nearest = far.argmin(axis=0), far.min(axis=0)
    reach = np.full((len(y), int(part.max()) + 1), np.inf)
    np.minimum.at(reach, (owner, part), nearest)
    is_near = (nearest < FARTHEST) & (reach[owner, part] < NEAREST)
    return np.where(is_near, owner, -1), nearest


def _undivided(owner: Ints, part: Ints, boxes: Ints) -> Ints:
    """What hangs together to whom most of it belongs, unless it is as wide as two."""
    top, left, bottom, right = boxes
    narrow = right - left < WIDEST * (bottom - top)
    votes = np.zeros((owner.max() + 2, narrow.size), int)
    np.add.at(votes, (owner, part), 1)  # the last row is that of -1, nobody
    votes[-1] = 0
    most = np.where(votes.any(axis=0), votes.argmax(axis=0), -1)
    return np.where(narrow[part], most[part], owner)


def _strokes(
    rows: Ints, columns: Ints, level: Grey, far: Floats, key: Ints
) -> dict[int, Stroke]:
    """Pixels by their key, if there is enough ink to be sure of; none below 0."""
    order = np.argsort(key, kind="stable")
    order = order[np.searchsorted(key[order], 0) :]
    keys, first = np.unique(key[order], return_index=True)
    strokes = {}
    for each, pixels in zip(keys.tolist(), np.split(order, first[1:]), strict=False):
        sure = pixels[level[pixels] > 127]
        if sure.size:
            y, x = rows[sure], columns[sure]
            box = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
            strokes[each] = Stroke(
                rows[pixels], columns[pixels], level[pixels], far[pixels].min(), box
            )
    return strokes


def _put_together(strokes: list[Stroke]) -> Found:
    """The strokes of one place, without a frame about them."""
    inner = [each for each in strokes if each.reach < INNER]
    within = [
        each
        for each in strokes
        if each.reach < INNER or not any(_frames(each, other) for other in inner)
    ]
    whole = _cut_out(within)
    parts = [_cut_out(group) for group in _apart(within, inner)]
    return Found(
        whole.digit, whole.box, tuple(each for each in parts if each.box != whole.box)
    )


def _apart(strokes: list[Stroke], inner: list[Stroke]) -> list[list[Stroke]]:
    """What may be digits of their own: side by side, else in the middle, else each."""
    groups = _side_by_side(strokes)
    if len(groups) > 1:
        return groups
    if inner and len(inner) < len(strokes):
        return [inner]
    tallest = max(each.height for each in strokes)
    return [[each] for each in strokes if each.height >= TALL * tallest]


def _in_line(stroke: Stroke, found: list[Found]) -> bool:
    """Whether it is about as high as its neighbour, and beside it."""
    middle = (stroke.box[0] + stroke.box[2]) / 2
    neighbour = min(found, key=lambda each: abs(each.box[0] + each.box[2] - 2 * middle))
    _, top, _, bottom = neighbour.box
    common = min(bottom, stroke.box[3]) - max(top, stroke.box[1])
    return common > TALL * max(bottom - top, stroke.height)


def _frames(outer: Stroke, inner: Stroke) -> bool:
    """Whether one is about the other, which is no speck."""
    left, top, right, bottom = inner.box
    lies_within = (
        outer.box[0] <= left
        and outer.box[1] <= top
        and outer.box[2] >= right
        and outer.box[3] >= bottom
    )
    longest = max(inner.height, inner.width)
    return lies_within and longest >= FRAMED * max(outer.height, outer.width)


def _side_by_side(strokes: list[Stroke]) -> list[list[Stroke]]:
    """Strokes that may be a digit each, with what is small to the nearest of them."""
    tallest = max(each.height for each in strokes)
    tall = [each for each in strokes if each.height >= TALL * tallest]
    groups: list[list[Stroke]] = []
    for each in sorted(tall, key=lambda stroke: stroke.box[0]):
        if groups and _beside(groups[-1], each) > ASIDE * each.width:
            groups[-1].append(each)
        else:
            groups.append([each])
    for each in strokes:
        if each.height < TALL * tallest:
            max(groups, key=lambda group: _beside(group, each)).append(each)
    return groups


def _beside(group: list[Stroke], stroke: Stroke) -> int:
    """Columns that both have; below 0: that lie between them."""
    left = min(each.box[0] for each in group)
    right = max(each.box[2] for each in group)
    return min(right, stroke.box[2]) - max(left, stroke.box[0])


def _cut_out(strokes: list[Stroke]) -> Found:
    """Strokes in MNIST's form."""
    left, top = (min(each.box[side] for each in strokes) for side in (0, 1))
    right, bottom = (max(each.box[side] for each in strokes) for side in (2, 3))
    alone = np.zeros((FINE, FINE), np.uint8)
    for each in strokes:
        alone[each.rows, each.columns] = each.level
    return Found(to_form(alone[top:bottom, left:right]), (left, top, right, bottom))
