"""A picture of one garment to what Fashion-MNIST is, so that the encoder can read it.

    photo ─ background ─ garment ─ crop ─ tones ─ fit ─ stretch → (28, 28)
                            └─ InvalidImage: nothing stands out

Fashion-MNIST was made from catalogue pictures on white: trimmed where the colour is
near that of the corners, the longest edge brought to 28 pixels, centred, negated, grey
(Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms, 2017, section 2). Measured in all 70,000: the longest edge is 26 to
28 pixels, the brightest pixel 254 or 255, and a quarter of the border at most 32.

A light garment on a darker background is not negated: what stands out is bright here,
whichever way it stood out there.

All functions are pure: pictures in, arrays out.
"""

import numpy as np
from PIL import Image

from service.errors import InvalidImage
from service.web.imaging.components import connected
from service.web.imaging.decode import read_photo

SIDE = 28
BOX_SIDES = (26, 28)  # measured: least and most of the longest edge
QUIET_BORDER = 32  # measured: of the border's pixels a quarter is at most so bright
BRIGHTEST = 254  # measured: every image reaches it

WORKING_SIDE = 224  # pixels: fine enough for 28 if the garment is an eighth of them
TRIM = 0.05 * 255  # the paper's closeness to the corners, of the possible intensity
GRAINY = 4  # times the grain of the background: what differs less may be more grain
SHADES = 16  # into which a channel is divided to find the commonest colour
NEAR = (32, 8)  # grey levels around the commonest colour, then around the plane
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as the paper's
SMALLEST = 0.02  # of the largest part: what is smaller is a speck


def read_garment(data: bytes, *, max_pixels: int) -> np.ndarray:
    """An image file to uint8 (28, 28), 0 = background.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode` and below.
    """
    photo = read_photo(data, max_pixels=max_pixels, short_side=WORKING_SIDE)
    return prepare_garment(photo)


def prepare_garment(photo: Image.Image) -> np.ndarray:
    """Bring a picture of one garment to Fashion-MNIST's form.

    Args:
        photo: RGB, of any size; a plain background, light or dark.

    Returns:
        uint8 (28, 28), 0 = background. A picture that has this form already comes back
        as it is, its negative as its negative.

    Raises:
        InvalidImage: Nothing stands out from the background.
    """
    if photo.size == (SIDE, SIDE) and is_grey(photo):
        small = np.asarray(photo.getchannel(0))
        for upright in (small, ~small):
            if is_prepared(upright):
                return upright
    pixels = np.asarray(_shrunk(photo), np.float32)
    paper, grain = find_background(pixels)
    garment = _largest(_garment(pixels, paper, grain))
    if not garment.any():
        raise InvalidImage(
            "The image is blank: expected a garment that stands out from a plain "
            "background, received nothing that does."
        )
    box = _box(garment)
    tones = _tones(pixels @ LUMA, paper @ LUMA, garment)
    return _centred(_stretched(_fitted(tones[box])))


def is_grey(photo: Image.Image) -> bool:
    """Whether the channels of an RGB picture are equal."""
    pixels = np.asarray(photo)
    return bool((pixels == pixels[..., :1]).all())


def is_prepared(grey: np.ndarray) -> bool:
    """Whether uint8 (28, 28) has Fashion-MNIST's form: black around, and its box."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if not grey.any() or np.percentile(border, 25) > QUIET_BORDER:
        return False
    rows, columns = _box(grey > 0)
    longest = max(rows.stop - rows.start, columns.stop - columns.start)
    return bool(BOX_SIDES[0] <= longest <= BOX_SIDES[1])


def find_background(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Find what the garment lies on, from the border of the picture.

    The commonest colour there, then the plane through all that is near it, then the
    plane through all that is near that: light falls off towards one side.

    Args:
        pixels: float32 (height, width, 3), 0 to 255.

    Returns:
        float32 (height, width, 3), the background everywhere; and its grain, in grey
        levels: half of its pixels are nearer to it.
    """
    height, width = pixels.shape[:2]
    edge = np.zeros((height, width), bool)
    edge[:2], edge[-2:], edge[:, :2], edge[:, -2:] = True, True, True, True
    y, x = edge.nonzero()
    colours, places = pixels[y, x], _plane(y / height, x / width)
    paper = np.broadcast_to(_commonest(colours), colours.shape)
    for reach in NEAR:
        near = np.abs(colours - paper).max(axis=1) <= reach
        slope = np.linalg.lstsq(places[near], colours[near])[0]
        paper = places @ slope
    grain = float(np.median(np.abs(colours - paper)[near].max(axis=1)))
    down = np.linspace(0, 1, height, endpoint=False)[:, None, None] * slope[1]
    along = np.linspace(0, 1, width, endpoint=False)[:, None] * slope[2]
    whole = (slope[0] + down).astype(np.float32) + along.astype(np.float32)
    return whole.clip(0, 255), grain


def _plane(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(y), y, x], axis=1)


def _commonest(colours: np.ndarray) -> np.ndarray:
    """The colour (3,) around which most of (n, 3) lie."""
    shades = (colours * (SHADES / 256)).astype(int) @ [SHADES**2, SHADES, 1]
    commonest = np.bincount(shades).argmax()
    middle: np.ndarray = np.median(colours[shades == commonest], axis=0)
    return middle


def _shrunk(photo: Image.Image) -> Image.Image:
    factor = max(photo.size) // WORKING_SIDE
    return photo.reduce(factor) if factor > 1 else photo


def _garment(pixels: np.ndarray, paper: np.ndarray, grain: float) -> np.ndarray:
    """What differs more from the background than it does itself: (height, width)."""
    off = np.abs(pixels - paper).max(axis=2)
    garment: np.ndarray = off > max(TRIM, GRAINY * grain)
    return garment


def _largest(garment: np.ndarray) -> np.ndarray:
    """Without the specks: shoes may be two, and a sandal's straps lie apart."""
    components = connected(garment)
    if not components.area.size:
        return garment
    return components.painted(components.area >= SMALLEST * components.area.max())


def _box(garment: np.ndarray) -> tuple[slice, slice]:
    rows = np.flatnonzero(garment.any(axis=1))
    columns = np.flatnonzero(garment.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _tones(luma: np.ndarray, paper: np.ndarray, garment: np.ndarray) -> np.ndarray:
    """How far from the background, float32 (height, width): 0 = background.

    A garment that is on the whole darker than the background is negated. What goes to
    the other side of the background (a white stripe on grey) shifts the zero, so that
    it keeps its place among the garment's tones.
    """
    off = luma - paper
    if off[garment].mean() < 0:
        off = -off
    other = float(np.percentile(off[garment], 2))
    tones: np.ndarray = np.where(garment, off - min(other, 0.0), 0).clip(0)
    return tones


def _fitted(tones: np.ndarray) -> np.ndarray:
    height, width = tones.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(tones).resize(size, how))


def _stretched(tones: np.ndarray) -> np.ndarray:
    most = max(float(tones.max()), 1.0)
    stretched: np.ndarray = np.rint(tones.clip(0) * (BRIGHTEST / most))
    return stretched.astype(np.uint8)


def _centred(garment: np.ndarray) -> np.ndarray:
    """In the middle; of an odd rest the larger half lies above or left, as there."""
    height, width = garment.shape
    top, left = (SIDE - height + 1) // 2, (SIDE - width + 1) // 2
    centred = np.zeros((SIDE, SIDE), np.uint8)
    centred[top : top + height, left : left + width] = garment
    return centred
