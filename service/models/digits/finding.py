"""What the model's two maps of a picture say: where is a digit, and which ink is its?

    cores ─ parts ─▶ one place for each thing that was written
    ink ─ each pixel to the nearest place ─ MNIST's form ─▶ its 28×28

All functions are pure: arrays in, arrays out.
"""

from dataclasses import dataclass

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

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was written.

    Attributes:
        digit: uint8 (28, 28), 255 = ink, in MNIST's form.
        box: left, top, right, bottom in pixels of the map of ink.
    """

    digit: npt.NDArray[np.uint8]
    box: Box

    @property
    def size(self) -> int:
        """The longer side of its box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


def find_written(
    ink: npt.NDArray[np.float32], cores: npt.NDArray[np.float32], most: int
) -> list[Found]:
    """Everything that was written, the largest first.

    Args:
        ink: (224, 224), the probability that a pixel is ink.
        cores: (112, 112), the probability that a place is the middle of something.
        most: How many to look at, the largest ones.
    """
    places = _places(connected(cores > LIKELY))[:, :most]
    parts = connected(ink > FAINTEST)
    rows, columns = np.nonzero(parts.labels >= 0)
    if not places.size or not rows.size:
        return []
    owner = _owners(rows, columns, places, parts.labels[rows, columns])
    share = (ink[rows, columns] - FAINTEST) / (DARKEST - FAINTEST)
    level = np.clip(share * 255, 0, 255).astype(np.uint8)
    found = (
        _cut_out(rows[owner == n], columns[owner == n], level[owner == n])
        for n in range(places.shape[1])
    )
    return sorted(filter(None, found), key=lambda each: -each.size)


def _places(parts: Components) -> npt.NDArray[np.float64]:
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


def _owners(
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    places: npt.NDArray[np.float64],
    part: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """The place that each pixel of ink belongs to; -1 = none."""
    y, x, half_height, half_width = places[:, :, np.newaxis]
    down, right = (rows + 0.5 - y) / half_height, (columns + 0.5 - x) / half_width
    far = down * down + right * right
    owner, nearest = far.argmin(axis=0), far.min(axis=0)
    reach = np.full((len(y), int(part.max()) + 1), np.inf)
    np.minimum.at(reach, (owner, part), nearest)
    is_near = (nearest < FARTHEST) & (reach[owner, part] < NEAREST)
    return np.where(is_near, owner, -1)


def _cut_out(
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    level: npt.NDArray[np.uint8],
) -> Found | None:
    """The ink of these pixels, if there is enough of it to be sure of."""
    sure = level > 127
    if not sure.any():
        return None
    top, bottom = int(rows[sure].min()), int(rows[sure].max()) + 1
    left, right = int(columns[sure].min()), int(columns[sure].max()) + 1
    within = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    alone = np.zeros((bottom - top, right - left), np.uint8)
    alone[rows[within] - top, columns[within] - left] = level[within]
    return Found(to_form(alone), (left, top, right, bottom))
