"""Many scenes, drawn on all cores, in files that are mapped into memory."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from service.models.digits.finding import COARSE, FINE
from training.models.digits.scenes import Scene, make_scene
from training.models.digits.writing import Hand

_scene_of: list[tuple[Hand, int]] = []  # what a drawing process draws


@dataclass(frozen=True, slots=True)
class Scenes:
    """Scenes as arrays: pictures, ink and cores; see `Scene`."""

    pictures: npt.NDArray[np.uint8]
    ink: npt.NDArray[np.uint8]
    cores: npt.NDArray[np.uint8]
    things: list[tuple[list[int], list[tuple[float, float, float, float]]]]


def draw_scenes(hand: Hand, count: int, seed: int, folder: Path) -> Scenes:
    """Draw scenes.

    Args:
        hand: the digits to write.
        count: how many scenes.
        seed: of the scenes.
        folder: for the files: 0.2 MB a scene.
    """
    shapes = {
        "pictures": (FINE, FINE, 3),
        "ink": (FINE, FINE),
        "cores": (COARSE, COARSE),
    }
    arrays = {
        name: np.lib.format.open_memmap(
            folder / f"{name}-{seed}.npy", "w+", np.uint8, (count, *shape)
        )
        for name, shape in shapes.items()
    }
    things = []
    spawning = multiprocessing.get_context("spawn")  # TensorFlow may be at work here
    with ProcessPoolExecutor(
        mp_context=spawning, initializer=_begin, initargs=(hand, seed)
    ) as pool:
        drawn = pool.map(_draw, range(count), chunksize=20)
        for number, scene in enumerate(tqdm(drawn, "Scenes", count, mininterval=10)):
            arrays["pictures"][number] = scene.picture
            arrays["ink"][number] = scene.ink
            arrays["cores"][number] = scene.cores
            things.append((scene.labels, scene.boxes))
    return Scenes(**arrays, things=things)


def _begin(hand: Hand, seed: int) -> None:
    _scene_of.append((hand, seed))


def _draw(number: int) -> Scene:
    return make_scene(*_scene_of[0], number)
