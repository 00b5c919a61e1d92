"""Ink to what MNIST is, so that the model can read it.

MNIST's digits were black and white scans, "size normalized to fit in a 20x20 pixel box
while preserving their aspect ratio", grey only "as a result of the anti-aliasing", and
"centered in a 28x28 image by computing the center of mass of the pixels" (LeCun,
Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
Proc. IEEE 86(11), 1998, section III.A).

All functions are pure: arrays in, arrays out.
"""

import numpy as np
from PIL import Image

SIDE = 28
ONES, INDEX = np.ones(SIDE, np.float32), np.arange(SIDE, dtype=np.float32)
BOX = 20
BOX_SIDES = (19, 20)  # measured: the longer side of the ink, in all 70,000 of MNIST
CENTRE = 14.0  # measured: where MNIST's centres of mass lie, on average, both ways
CENTRE_SLACK = 0.55  # pixels; measured: none of the 70,000 is off by more than 0.52
THINNEST, WEIGHT = 1.8, 2.2  # widths of strokes; measured in MNIST: 5 % 1.7, median 2.4
ENOUGH = 4 * BOX  # pixels in which the width of a stroke can be measured


def is_prepared(grey: np.ndarray) -> bool:
    """Whether uint8 (28, 28) has MNIST's form: its box and its centre, black around."""
    ink = grey.astype(np.float32)
    rows, columns = ink.dot(ONES), ONES.dot(ink)  # `dot`: half the time of `@` and sum
    total = float(rows.dot(ONES))
    if not total:
        return False
    (inked_rows,), (inked_columns,) = rows.nonzero(), columns.nonzero()
    height = int(inked_rows[-1]) - int(inked_rows[0]) + 1
    width = int(inked_columns[-1]) - int(inked_columns[0]) + 1
    if max(height, width) not in BOX_SIDES:
        return False
    down, right = float(rows.dot(INDEX)) / total, float(columns.dot(INDEX)) / total
    return max(abs(down - CENTRE), abs(right - CENTRE)) <= CENTRE_SLACK


def upright(grey: np.ndarray) -> np.ndarray:
    """Light ink on dark of either: what the first pixel shows is the background."""
    return ~grey if grey[0, 0] > 127 else grey


def to_form(ink: np.ndarray) -> np.ndarray:
    """Bring the ink of one digit to MNIST's form.

    Args:
        ink: uint8 (height, width), 255 = ink, no margin around it.

    Returns:
        uint8 (28, 28), 255 = ink.
    """
    return _centred(_fitted(_weighted(ink)))


def _weighted(ink: np.ndarray) -> np.ndarray:
    """Thicken strokes that would fade when the digit is brought to its small box."""
    times = -(-ENOUGH // max(ink.shape))
    large = ink if times <= 1 else _scaled(ink, times, Image.Resampling.BICUBIC)
    solid = large > 127
    outline = np.count_nonzero(solid[1:] != solid[:-1])
    outline += np.count_nonzero(solid[:, 1:] != solid[:, :-1])
    # A slanting line has 4/pi times its length in pixel edges, on average.
    width = 2 * np.count_nonzero(solid) / max(outline * np.pi / 4, 1)
    unit = max(large.shape) / BOX
    if width >= THINNEST * unit:
        return large
    radius = max(1, round((WEIGHT * unit - width) / 2))
    wide = np.pad(large, radius)
    return _running_maximum(_running_maximum(wide, radius).T, radius).T


def _running_maximum(values: np.ndarray, radius: int) -> np.ndarray:
    """The largest of the rows within `radius` of each, by doubling the window."""
    out = np.pad(values, ((radius, radius), (0, 0)), "edge")
    size, done = 2 * radius + 1, 1
    while done < size:
        step = min(done, size - done)
        out = np.maximum(out[:-step], out[step:])
        done += step
    return out


def _fitted(ink: np.ndarray) -> np.ndarray:
    small = _scaled(ink, BOX / max(ink.shape), Image.Resampling.BOX)
    return np.minimum(small * np.float32(255 / max(small.max(), 1)), 255)


def _scaled(pixels: np.ndarray, scale: float, how: Image.Resampling) -> np.ndarray:
    height, width = pixels.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, how), np.uint8)


def _centred(digit: np.ndarray) -> np.ndarray:
    height, width = digit.shape
    total = digit.sum()
    y = digit.sum(axis=1) @ np.arange(height) / total
    x = digit.sum(axis=0) @ np.arange(width) / total
    top = min(max(round(CENTRE - y), 0), SIDE - height)
    left = min(max(round(CENTRE - x), 0), SIDE - width)
    centred = np.zeros((SIDE, SIDE), np.uint8)
    centred[top : top + height, left : left + width] = np.rint(digit)
    return centred
