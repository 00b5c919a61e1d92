"""How a sheet is lit and photographed: it lies askew, and light, lens and JPEG tell.

Planes are float (height, width), light 1 where full; colours 0 to 1.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageFilter
from skimage.transform import ProjectiveTransform

from training.models.digits.evaluation.papers import Plane, Size, clouds

Box = tuple[float, float, float, float]
Light = Callable[[Generator, Size, Box], Plane]
BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True, slots=True)
class Camera:
    """What takes the photo.

    Attributes:
        width: of the photo, in pixels; its height is 4/3 of it.
        exposure: least and most.
        noise: least and most deviation, of a range of 1.
        blur: least and most deviation, in pixels of a photo 600 wide.
    """

    width: int = 600
    exposure: tuple[float, float] = (0.85, 1.05)
    noise: tuple[float, float] = (0.004, 0.02)
    blur: tuple[float, float] = (0.3, 1.0)


DAY = Camera()
NIGHT = Camera(exposure=(0.14, 0.38), noise=(0.025, 0.055), blur=(0.6, 1.3))


def place(
    sheet: Plane, ink: Plane, table: Plane, rng: Generator, margin: tuple[float, float]
) -> tuple[Plane, Plane]:
    """Lay a sheet on a table, a little askew.

    Args:
        sheet: float32 (height, width, 3).
        ink: float32 (height, width), moved with it.
        table: of the same size.
        rng: where the corners come to lie.
        margin: least and most share of the photo that is table on each side; below 0
            the sheet reaches out of the photo.

    Returns:
        The scene, and where the ink is in it.
    """
    ways = _askew((sheet.shape[1], sheet.shape[0]), rng, margin)
    lying, moved = _moved(_levels(sheet), ways), _moved(_levels(ink), ways)
    inside = _moved(np.full_like(ink, 255, np.uint8), ways)
    around = table * (1 - inside[..., None]) * (1 - 0.4 * _spread(inside))
    return lying + around, moved


def even(rng: Generator, size: Size, box: Box) -> Plane:
    """The same everywhere."""
    return np.ones(size[::-1], np.float32)


def soft(rng: Generator, size: Size, box: Box) -> Plane:
    """Light that falls off to one side, and unevenly."""
    slope = np.linspace(0, 1, size[0])[None] * rng.normal(0, 0.12)
    slope = slope + np.linspace(0, 1, size[1])[:, None] * rng.normal(0, 0.15)
    light = slope - slope.max() + 1 + 0.025 * clouds(rng, size, 4)
    return np.asarray(light, np.float32)


def hard_shadow(rng: Generator, size: Size, box: Box) -> Plane:
    """A shadow whose wavy edge goes through the digit."""
    angle = rng.uniform(0, 2 * np.pi)
    through = rng.uniform(0.25, 0.75, 2) * (box[2] - box[0], box[3] - box[1])
    off = _across(size, angle, through + np.array(box[:2]))
    off = off + clouds(rng, size, 5) * 10 * size[0] / 600
    lit = 1 / (1 + np.exp(-np.clip(off / rng.uniform(1, 6), -50, 50)))
    return _darker(soft(rng, size, box), lit, rng.uniform(0.35, 0.6))


def blinds(rng: Generator, size: Size, box: Box) -> Plane:
    """Stripes of shadow, as blinds throw them."""
    off = _across(size, np.pi / 2 + rng.uniform(-0.6, 0.6), np.zeros(2))
    wave = np.sin(off * 2 * np.pi / (rng.uniform(38, 110) * size[0] / 600))
    lit = 1 / (1 + np.exp(-(wave + rng.uniform(-0.4, 0.4)) * rng.uniform(3, 12)))
    return _darker(soft(rng, size, box), lit, rng.uniform(0.3, 0.55))


def photograph(scene: Plane, light: Plane, camera: Camera, rng: Generator) -> bytes:
    """Take the photo: a JPEG of quality 80 to 95.

    Args:
        scene: float32 (height, width, 3), 0 to 1.
        light: float32 (height, width).
        camera: what takes it.
        rng: its chances.
    """
    unit = scene.shape[1] / 600
    gain = rng.uniform(*camera.exposure) * (1 + rng.normal(0, 0.018, 3))
    seen = scene * light[..., None] * gain.astype(np.float32)
    sharp = Image.fromarray(_levels(seen))
    blur = ImageFilter.GaussianBlur(rng.uniform(*camera.blur) * unit)
    smooth = np.asarray(sharp.filter(blur)) / np.float32(255)
    noise = rng.standard_normal(scene.shape, dtype=np.float32)
    grainy = smooth + rng.uniform(*camera.noise) * noise
    file = io.BytesIO()
    quality = int(rng.integers(80, 96))
    Image.fromarray(_levels(grainy)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _across(size: Size, angle: float, through: npt.NDArray[np.float64]) -> Plane:
    """How far each pixel lies from a straight line, to its one side or the other."""
    x = (np.arange(size[0]) - through[0]) * np.cos(angle)
    y = (np.arange(size[1]) - through[1]) * np.sin(angle)
    return np.asarray(x[None] + y[:, None], np.float32)


def _darker(light: Plane, lit: Plane, depth: float) -> Plane:
    """Light less a shadow, where `lit` is 0."""
    return np.asarray(light * (1 - depth * (1 - lit)))


def _askew(size: Size, rng: Generator, margin: tuple[float, float]) -> list[float]:
    """Where a photo's pixels lie on the sheet: a projection's eight numbers."""
    width, height = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * size
    lie = corners + inwards * (rng.uniform(*margin) + rng.uniform(-0.02, 0.02, (4, 2)))
    turn, middle = rng.uniform(-0.06, 0.06), np.array(size) / 2
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lie = (lie - middle) @ matrix + middle
    numbers = ProjectiveTransform.from_estimate(lie, corners).params
    return [float(each) for each in (numbers / numbers[2, 2]).ravel()[:8]]


def _moved(levels: npt.NDArray[np.uint8], ways: list[float]) -> Plane:
    """What a photo shows of a sheet, 0 to 1; nothing beyond it."""
    image = Image.fromarray(levels)
    seen = image.transform(image.size, Image.Transform.PERSPECTIVE, ways, BILINEAR)
    return np.asarray(seen, np.float32) / np.float32(255)


def _spread(sheet: Plane) -> Plane:
    """The soft shadow that a sheet throws about itself: (height, width, 1)."""
    height, width = sheet.shape
    small = Image.fromarray(sheet).resize((width // 16, height // 16))
    return np.asarray(small.resize((width, height)))[..., None]


def _levels(colours: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.clip(colours, 0, 1) * 255).astype(np.uint8)
