"""The fifteen corruptions of MNIST-C, written from their description, as a gate.

Mu and Gilmer, "MNIST-C: A robustness benchmark for computer vision", 2019: corruptions
that leave a digit plain to a person. Strengths were set by eye to that; so figures are
near the benchmark's own, not the same. Each function takes uint8 (28, 28), 0 =
background, and a generator, and returns a new image of that form.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from scipy.ndimage import affine_transform, convolve, gaussian_filter
from skimage.draw import line_aa
from skimage.feature import canny

Image = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
Corruption = Callable[[Image, Generator], Image]

SIDE = 28
MIDDLE = (SIDE - 1) / 2


def shot_noise(image: Image, rng: Generator) -> Image:
    """The grain of few photons."""
    return _grey(rng.poisson(image / 255 * 6) / 6 * 255)


def impulse_noise(image: Image, rng: Generator) -> Image:
    """Every eighth pixel black or white."""
    hit = rng.random(image.shape) < 0.12
    return np.where(hit, rng.choice([0, 255], image.shape), image).astype(np.uint8)


def glass_blur(image: Image, rng: Generator) -> Image:
    """Frosted glass: pixels change places with near ones, and blur."""
    blurred = gaussian_filter(image.astype(float), 0.7)
    rows, columns = np.indices(image.shape)
    for _ in range(2):
        moves = rng.integers(-1, 2, (2, *image.shape))
        near = np.clip(np.stack([rows, columns]) + moves, 0, SIDE - 1)
        blurred = blurred[near[0], near[1]]
    return _grey(gaussian_filter(blurred, 0.7))


def motion_blur(image: Image, rng: Generator) -> Image:
    """Movement by seven pixels, within 45° of the horizontal."""
    kernel = np.zeros((15, 15))
    angle = rng.uniform(-np.pi / 4, np.pi / 4)
    for step in np.linspace(-3.5, 3.5, 29):
        place = np.rint([7 + step * np.sin(angle), 7 + step * np.cos(angle)])
        kernel[int(place[0]), int(place[1])] += 1
    return _grey(convolve(image.astype(float), kernel / kernel.sum(), mode="constant"))


def shear(image: Image, rng: Generator) -> Image:
    """Slanted, to either side."""
    return _moved(image, np.array([[1, 0], [_either(rng) * 0.45, 1]]))


def scale(image: Image, rng: Generator) -> Image:
    """Smaller, to between a half and two thirds."""
    return _moved(image, np.eye(2) / rng.uniform(0.5, 0.67))


def rotate(image: Image, rng: Generator) -> Image:
    """Turned by 25 to 35 degrees, either way."""
    angle = _either(rng) * np.radians(rng.uniform(25, 35))
    cosine, sine = np.cos(angle), np.sin(angle)
    return _moved(image, np.array([[cosine, sine], [-sine, cosine]]))


def brightness(image: Image, rng: Generator) -> Image:
    """All brighter by a share of the range; ink is cut off at white."""
    return _grey(image + 255 * rng.uniform(0.4, 0.6))


def translate(image: Image, rng: Generator) -> Image:
    """Moved by three to six pixels each way."""
    shift = [_either(rng) * rng.uniform(3, 6) for _ in range(2)]
    return _moved(image, np.eye(2), shift)


def stripe(image: Image, rng: Generator) -> Image:
    """The negative within an upright stripe, a third as wide as the image."""
    left, wide = int(rng.integers(6, 13)), int(rng.integers(7, 11))
    striped = image.copy()
    striped[:, left : left + wide] = 255 - striped[:, left : left + wide]
    return striped


def fog(image: Image, rng: Generator) -> Image:
    """Clouds before the digit, of all sizes."""
    clouds = sum(
        gaussian_filter(rng.normal(size=image.shape), size, mode="wrap") * size**1.5
        for size in (1, 2, 4, 8)
    )
    clouds = (clouds - clouds.min()) / np.ptp(clouds)
    return _grey((image / 255 + 1.2 * clouds) / 2.2 * 255)


def spatter(image: Image, rng: Generator) -> Image:
    """Drops on the lens: half dark, half light."""
    wet = gaussian_filter(rng.normal(size=image.shape), 1.2)
    drops = wet > np.quantile(wet, 0.9)
    colour = rng.choice([60, 200])
    return np.where(drops, 0.3 * image + 0.7 * colour, image).astype(np.uint8)


def dotted_line(image: Image, rng: Generator) -> Image:
    """A straight dotted line from side to side."""
    ends = rng.uniform(2, SIDE - 3, 2)
    columns = np.arange(0, SIDE, 2)
    rows = np.rint(np.interp(columns, [0, SIDE - 1], ends)).astype(int)
    dotted = image.copy()
    dotted[rows, columns] = 255
    return dotted


def zigzag(image: Image, rng: Generator) -> Image:
    """A thin zigzag from side to side."""
    ends = rng.uniform(5, SIDE - 6, 2)
    columns = np.linspace(0, SIDE - 1, 9)
    rows = np.interp(columns, [0, SIDE - 1], ends) + np.tile([2.5, -2.5], 5)[:9]
    corners = np.rint(np.stack([rows, columns], axis=1)).astype(int)
    drawn = image.copy()
    for start, end in pairwise(corners):
        y, x, ink = line_aa(*start, *end)
        drawn[y, x] = np.maximum(drawn[y, x], (ink * 255).astype(np.uint8))
    return drawn


def canny_edges(image: Image, rng: Generator) -> Image:
    """Only the outlines."""
    edges = canny(image / 255, sigma=1.0, low_threshold=0.1, high_threshold=0.2)
    return _grey(edges * 255.0)


CORRUPTIONS: dict[str, Corruption] = {
    corrupt.__name__: corrupt
    for corrupt in (
        *(shot_noise, impulse_noise, glass_blur, motion_blur, shear, scale, rotate),
        *(brightness, translate, stripe, fog, spatter, dotted_line, zigzag),
        canny_edges,
    )
}


def corrupted(name: str, images: Image, seed: int) -> Image:
    """A copy of uint8 (rows, 28, 28), each row corrupted in its own way."""
    return np.stack(
        [
            CORRUPTIONS[name](image, np.random.default_rng([seed, row]))
            for row, image in enumerate(images)
        ]
    )


def accuracies(
    images: Image, labels: Labels, predict: Callable[[Image], Labels], seed: int = 7
) -> dict[str, float]:
    """The share of right answers under each corruption.

    Args:
        images: uint8 (rows, 28, 28), 0 = background; held out.
        labels: uint8 (rows,), 0 to 9.
        predict: from such images to the digits read, (rows,).
        seed: the same seed corrupts in the same way.
    """
    return {
        name: float(np.mean(predict(corrupted(name, images, seed)) == labels))
        for name in CORRUPTIONS
    }


def _either(rng: Generator) -> int:
    return int(rng.choice([-1, 1]))


def _moved(
    image: Image, matrix: npt.NDArray[np.float64], shift: npt.ArrayLike = 0
) -> Image:
    """Read where `matrix` about the middle, and `shift` in pixels, point."""
    offset = MIDDLE - matrix @ [MIDDLE, MIDDLE] + np.asarray(shift)
    return _grey(affine_transform(image.astype(float), matrix, offset, order=1))


def _grey(image: npt.NDArray[np.floating]) -> Image:
    return np.asarray(np.rint(np.clip(image, 0, 255)), np.uint8)
