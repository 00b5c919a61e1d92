"""A picture of a handwritten digit to what MNIST is, so that the model can read it.

    pixels ─ shrink ─ grey ─ contrast ─ strokes ─ weight ─ fit ─ centre → (28, 28)
                                 └─ InvalidImage: there is no ink

MNIST's digits were black and white scans, "size normalized to fit in a 20x20 pixel box
while preserving their aspect ratio", grey only "as a result of the anti-aliasing", and
"centered in a 28x28 image by computing the center of mass of the pixels" (LeCun,
Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
Proc. IEEE 86(11), 1998, section III.A). People send photos, screenshots and drawings.

All functions are pure: arrays in, arrays out.
"""

import numpy as np
from PIL import Image, ImageFilter

from service.errors import InvalidImage
from service.web.imaging.components import connected
from service.web.imaging.decode import LONGEST, read_drawing, upright_size

Part = tuple[float, float, float, float]

SIDE = 28
ONES, INDEX = np.ones(SIDE, np.float32), np.arange(SIDE, dtype=np.float32)
BOX = 20
BOX_SIDES = (19, 20)  # measured: the longer side of the ink, in all 70,000 of MNIST
CENTRE = 14.0  # measured: where MNIST's centres of mass lie, on average, both ways
CENTRE_SLACK = 0.55  # pixels; measured: none of the 70,000 is off by more than 0.52

WORKING_SIDE = 400  # pixels: fine enough for a digit a twelfth as large
LEAST_SIDE = 112  # pixels: smaller pictures are enlarged, for smooth outlines
FAINTEST = 24  # grey levels of 255 between paper and ink: less is a stain, not ink
DARKEST = 48  # grey level of paper below which shadows are no longer evened out
GRAINIEST = 10  # times the grain of the paper: what differs less is more grain
BLURREST = 0.25  # ink that fades so slowly is a shadow; digits were seen to reach 0.2
SMALLEST = 0.02  # of the picture's longer side: what is smaller is a speck
DEEPEST = 3  # times that ink is sought in what stood out, when that was but a shadow
BRIDGE = 2  # pixels of the working picture across which a broken stroke hangs together
THINNEST, WEIGHT = 1.8, 2.2  # widths of strokes; measured in MNIST: 5 % 1.7, median 2.4


def prepare_digit(pixels: np.ndarray) -> np.ndarray:
    """Bring a picture of one digit to MNIST's form; see `find_digit`."""
    return find_digit(pixels)[0]


def find_digit(pixels: np.ndarray) -> tuple[np.ndarray, Part]:
    """Bring a picture of one digit to MNIST's form, and say where it was.

    Args:
        pixels: uint8 (height, width) or (height, width, 3), 0 = black. Dark on light or
            light on dark; ink anywhere; any size.

    Returns:
        uint8 (28, 28), 0 = background, 255 = ink. A picture that has MNIST's form
        already comes back as it is, its negative as its negative. And the part of the
        picture: left, top, width, height, as shares of its sides.

    Raises:
        InvalidImage: No ink stands out from the background.
    """
    sheet = _grey(_shrunk(pixels))
    if sheet.shape == (SIDE, SIDE):
        upright = ~sheet if sheet[0, 0] > 127 else sheet
        if is_prepared(upright):
            return upright, _share(upright)
    sheet = _enlarged(sheet, LEAST_SIDE)
    dark = _is_ink_dark(sheet)
    for guess in (dark, not dark):
        strokes = _strokes(_contrast(sheet, dark=guess))
        if strokes.any():
            digit = strokes[_box(strokes)]
            return _centred(_fitted(_weighted(digit))), _share(strokes)
    raise InvalidImage(
        "The image is blank: expected a digit that stands out from its background, "
        "received no ink."
    )


def read_digit(data: bytes, *, max_pixels: int) -> np.ndarray:
    """An image file to uint8 (28, 28), 0 = background.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode`.
    """
    drawing = read_drawing(data, max_pixels=max_pixels, long_side=WORKING_SIDE)
    return prepare_digit(drawing)


def read_located_digit(data: bytes, *, max_pixels: int) -> np.ndarray:
    """An image file to the same, behind where it was in the file's pixels.

    Returns:
        int32 (788,): left, top, width, height, and 784 pixels; of a strip so long that
        only a part of it was looked at, the first four are 0.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode`.
    """
    drawing = read_drawing(data, max_pixels=max_pixels, long_side=WORKING_SIDE)
    digit, part = find_digit(drawing)
    width, height = upright_size(data, max_pixels=max_pixels)
    known = max(width, height) <= LONGEST * min(width, height)
    box = np.array(part) * (width, height, width, height) * known
    return np.concatenate([np.rint(box).astype(np.int32), digit.ravel()])


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


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    longer = max(pixels.shape[:2])
    if longer <= WORKING_SIDE:
        return pixels
    return _scaled(pixels, WORKING_SIDE / longer, Image.Resampling.BOX)


def _enlarged(ink: np.ndarray, least: int) -> np.ndarray:
    times = -(-least // max(ink.shape))
    return ink if times <= 1 else _scaled(ink, times, Image.Resampling.BICUBIC)


def _scaled(pixels: np.ndarray, scale: float, how: Image.Resampling) -> np.ndarray:
    height, width = pixels.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, how), np.uint8)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Look at the colours along the axis on which neighbours differ most.

    Yellow ink on white paper is hardly darker, and red on green not at all, but both
    differ clearly in some mixture of red, green and blue: the first principal component
    of the differences between neighbouring pixels (Di Zenzo, A note on the gradient of
    a multi-image, CVGIP 33, 1986). Lighting changes slowly and hardly weighs in.
    """
    if pixels.ndim == 2:
        return pixels
    some = pixels[::2, ::2].astype(np.float32)
    steps = np.diff(some, axis=0).reshape(-1, 3), np.diff(some, axis=1).reshape(-1, 3)
    axis = np.linalg.eigh(sum(step.T @ step for step in steps))[1][:, -1]
    axis *= np.sign(axis.sum() or 1) / np.abs(axis).sum()
    mix = (*axis.tolist(), -255 * float(np.minimum(axis, 0).sum()))
    return np.asarray(Image.fromarray(pixels).convert("L", mix))


def _contrast(sheet: np.ndarray, *, dark: bool) -> np.ndarray:
    """How much more ink than paper: uint8 (height, width), 0 = paper.

    Whether ink is the `dark` or the light must be known.

    The paper is what remains of the sheet when all that is narrower than a third of it
    is taken away, so a table's edge or the edge of a shadow is no ink.
    """
    level = _smooth(~sheet if dark else sheet)
    paper = _opened(level, max(sheet.shape) // 3)
    contrast: np.ndarray = level - paper
    if dark:  # ink takes a share of the light that falls on it: less in the shadow
        gain = 255 / np.maximum(255 - np.arange(256, dtype=np.float32), DARKEST)
        contrast = np.minimum(contrast * gain[paper], 255).astype(np.uint8)
    return contrast


def _is_ink_dark(sheet: np.ndarray) -> bool:
    """Ask three witnesses; the more skewed what one sees, the more it is worth.

    Thin strokes are few and differ much from what is right beside them, thick ones from
    what is around them, whatever the light does across the sheet; the thickest fill
    half of the sheet, but hardly its border. The weights were found by trying.
    """
    small = Image.fromarray(sheet).reduce(max(1, max(sheet.shape) // 100))
    level = np.asarray(small, np.float32)
    beside, around = (
        np.asarray(small.filter(ImageFilter.BoxBlur(radius)), np.float32)
        for radius in (3, 16)
    )
    border = np.concatenate([level[:2], level[-2:], level.T[:2], level.T[-2:]], None)
    margin = level - np.median(border)
    return _skew(level - beside) + _skew(level - around) + 0.3 * _skew(margin) < 0


def _skew(off: np.ndarray) -> float:
    square = off * off
    return float(np.mean(square * off) / max(float(np.mean(square)), 1.0) ** 1.5)


def _smooth(grey: np.ndarray) -> np.ndarray:
    """Without the grain: each pixel with its neighbours, 1 2 1 both ways."""
    wide = np.pad(grey, 1, "edge").astype(np.uint16)
    wide = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    wide = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    smooth: np.ndarray = (wide >> 4).astype(np.uint8)
    return smooth


def _opened(level: np.ndarray, reach: int) -> np.ndarray:
    """What remains of the light structures that are wider than `reach` pixels.

    Morphological opening with a square (Serra, Image analysis and mathematical
    morphology, 1982), at half the resolution; it never exceeds `level`.
    """
    height, width = level.shape
    even = np.pad(level, ((0, height % 2), (0, width % 2)), "edge")
    half = np.maximum(even[::2], even[1::2])
    half = np.maximum(half[:, ::2], half[:, 1::2])
    for extreme in (np.minimum, np.maximum):
        half = _running(extreme, half, max(1, reach // 4))
        half = _running(extreme, half.T, max(1, reach // 4)).T
    whole = half.repeat(2, axis=0)[:height].repeat(2, axis=1)[:, :width]
    opened: np.ndarray = np.minimum(whole, level)
    return opened


def _spread(ink: np.ndarray, radius: int) -> np.ndarray:
    """Grow ink by `radius` pixels to all sides."""
    return _running(np.maximum, _running(np.maximum, ink, radius).T, radius).T


def _running(extreme: np.ufunc, values: np.ndarray, radius: int) -> np.ndarray:
    """The extreme of the rows within `radius` of each, by doubling the window."""
    out = np.pad(values, ((radius, radius), (0, 0)), "edge")
    size, done = 2 * radius + 1, 1
    while done < size:
        step = min(done, size - done)
        out = extreme(out[:-step], out[step:])
        done += step
    return out


def _strokes(contrast: np.ndarray) -> np.ndarray:
    """The digit alone: uint8 (height, width), 255 = ink; all 0 where there is none."""
    count = np.bincount(contrast.ravel(), minlength=256)
    paper = count[: _otsu(count) + 1]
    quiet = _quantile(paper, 0.32)
    grain = _quantile(paper, 0.5) - _quantile(paper, 0.08)
    floor = int(quiet + 3 * grain + FAINTEST / 2)
    for _ in range(DEEPEST):
        count[: floor + 1] = 0
        if not count.any():
            break
        floor = _otsu(count)
        strong = _quantile(count[floor + 1 :], 0.5) + floor + 1 - quiet
        if strong < max(FAINTEST, GRAINIEST * grain):
            break
        # Of each level: 0 = paper, 1 = ink, 1/2 = the outline of a stroke.
        share = (np.arange(256) - quiet) / strong
        digit = _digit(contrast, share.astype(np.float32))
        if digit.any():
            soft = np.clip(share * 512 - 128, 0, 255).astype(np.uint8)
            found: np.ndarray = soft[contrast] * digit
            return found
    return np.zeros(contrast.shape, np.uint8)


def _otsu(count: np.ndarray) -> int:
    """The level, of int (256,), that parts the two classes that differ most.

    Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9(1),
    1979: the greatest variance between the classes.
    """
    below = np.cumsum(count, dtype=np.float64)
    mass = np.cumsum(count * np.arange(count.size, dtype=np.float64))
    off = mass[-1] * below - mass * below[-1]
    return int(np.argmax(off**2 / np.maximum(below * (below[-1] - below), 1)))


def _quantile(count: np.ndarray, share: float) -> float:
    total = np.cumsum(count)
    return float(np.interp(share * total[-1], total, np.arange(total.size)))


def _digit(contrast: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The part of the ink that is the digit: no specks, neighbours or table edge.

    Args:
        contrast: uint8 (height, width).
        share: float32 (256,), the share of ink that each level of contrast means.

    Returns:
        bool (height, width); all false where nothing can be a digit.
    """
    outline = int(np.searchsorted(share, 0.5))
    components = connected(_spread(contrast >= outline, BRIDGE))
    size, area, contact = (
        components.size,
        components.area,
        components.contact.sum(axis=0),
    )
    # What lies along a side of the picture is the edge of a table or of a shadow.
    credit = np.select([contact == 0, contact < 0.4 * size], [1, 0.5], 0.1)
    credit *= components.contact.max(axis=0) < 0.9 * size
    fade = components.beside(share[contrast], np.maximum(1, size // BOX - BRIDGE))
    sharp = fade <= BLURREST
    credit *= sharp & (size >= SMALLEST * max(contrast.shape))
    if not credit.any():
        return np.zeros(contrast.shape, bool)
    main = int(np.argmax(size * credit))
    inner = size * (components.depth_in(main) > 0.04 * size[main])
    if inner.max() > 0.25 * size[main]:  # a frame was drawn around the digit
        main = int(np.argmax(inner))
    company = components.gap_to(main) < 0.25 * size[main]  # strokes that do not touch
    company &= (size <= size[main]) & (area > 0.05 * area[main])
    company &= sharp & (contact <= contact[main])
    return components.painted(company)


def _box(ink: np.ndarray) -> tuple[slice, slice]:
    """The rows and the columns in which there is any."""
    rows = np.flatnonzero(ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _share(ink: np.ndarray) -> Part:
    """Left, top, width and height of the ink, as shares of the picture's sides."""
    (height, width), (rows, columns) = ink.shape, _box(ink)
    return (
        columns.start / width,
        rows.start / height,
        (columns.stop - columns.start) / width,
        (rows.stop - rows.start) / height,
    )


def _weighted(strokes: np.ndarray) -> np.ndarray:
    """Thicken strokes that would fade when the digit is brought to its small box."""
    strokes = _enlarged(strokes, 4 * BOX)
    ink = strokes > 127
    outline = np.count_nonzero(ink[1:] != ink[:-1])
    outline += np.count_nonzero(ink[:, 1:] != ink[:, :-1])
    # A slanting line has 4/pi times its length in pixel edges, on average.
    width = 2 * np.count_nonzero(ink) / max(outline * np.pi / 4, 1)
    unit = max(strokes.shape) / BOX
    if width >= THINNEST * unit:
        return strokes
    radius = max(1, round((WEIGHT * unit - width) / 2))
    return _spread(np.pad(strokes, radius), radius)


def _fitted(strokes: np.ndarray) -> np.ndarray:
    small = _scaled(strokes, BOX / max(strokes.shape), Image.Resampling.BOX)
    return np.minimum(small * np.float32(255 / max(small.max(), 1)), 255)


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
