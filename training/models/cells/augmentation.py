"""Training pictures as other microscopes would have taken them.

Each is turned, mirrored, made larger or smaller and cut out; then exposed otherwise,
blurred and made noisy.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far pictures are changed.

    Attributes:
        side: of what is cut out, pixels.
        zoom: the most that is made larger or smaller, as a natural logarithm.
        gain: of the exposure, likewise.
        gamma: exponent of the grey levels, likewise.
        blur: the most, pixels of a standard deviation; of a third of the pictures.
        noise: the most, grey levels of a standard deviation.
    """

    side: int = 128
    zoom: float = 0.2
    gain: float = 0.4
    gamma: float = 0.2
    blur: float = 0.8
    noise: float = 2.0


def augment(
    picture: npt.NDArray[np.uint8],
    maps: tuple[npt.NDArray[np.uint8], ...],
    how: Augmentation,
    rng: np.random.Generator,
) -> tuple[Floats, ...]:
    """Change a picture, and its maps where they must go with it.

    Args:
        picture: (height, width), 0 = black.
        maps: of each pixel, 0 or 255.
        how: how far.
        rng: what is drawn from.

    Returns:
        The picture, 0 to 255, and its maps, 0 to 1; (side, side) of each.
    """
    turned = _turn(np.stack([picture, *maps]).astype(np.float32), how, rng)
    return (expose(turned[0], how, rng), *(each / 255 for each in turned[1:]))


def expose(picture: Floats, how: Augmentation, rng: np.random.Generator) -> Floats:
    """Change the light: (height, width), 0 to 255, whole numbers."""
    light = picture / 255
    if rng.random() < 1 / 3:
        light = ndimage.gaussian_filter(light, rng.uniform(0.3, how.blur))
    light = light ** np.exp(rng.uniform(-how.gamma, how.gamma))
    light *= np.exp(rng.uniform(-how.gain, how.gain))
    light += rng.uniform(0, 0.04)
    light += rng.normal(0, rng.uniform(0, how.noise) / 255, light.shape)
    exposed: Floats = np.rint(np.clip(light, 0, 1) * 255).astype(np.float32)
    return exposed


def _turn(stack: Floats, how: Augmentation, rng: np.random.Generator) -> Any:
    """Turn, mirror, zoom and cut out (maps, height, width) of several maps at once."""
    angle, zoom = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-how.zoom, how.zoom))
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    matrix[:, 0] *= rng.choice([-1, 1])
    room = np.maximum(np.array(stack.shape[1:]) - how.side / zoom, 0) / 2
    middle = (np.array(stack.shape[1:]) - 1) / 2 + rng.uniform(-room, room)
    offset = middle - matrix @ np.full(2, (how.side - 1) / 2)
    return [
        ndimage.affine_transform(
            each, matrix, offset, (how.side, how.side), order=1, mode="mirror"
        )
        for each in stack
    ]
