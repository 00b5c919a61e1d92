"""The finder's two maps to what was written: here the maps are the truth of scenes."""

from pathlib import Path

import numpy as np
import pytest

from service.models.digits.finding import COARSE, FINE, find_written
from training.models.digits.scenes import Scene, make_scene
from training.models.digits.strokes import trace
from training.models.digits.writing import Hand

DATA = Path(__file__).parents[2] / "data"
EVERYTHING = 64


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    with np.load(DATA / "mnist_sample.npz") as data:
        images, labels = data["images"][:60], data["labels"][:60]
    hand = Hand(images, [trace(image) for image in images], labels)
    return [make_scene(hand, 5, number) for number in range(80)]


def maps(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    return scene.ink.astype(np.float32) / 255, scene.cores.astype(np.float32) / 255


def test_each_thing_is_found_where_it_is(scenes: list[Scene]) -> None:
    right = written = 0
    for scene in scenes:
        found = find_written(*maps(scene), EVERYTHING)
        written += len(scene.boxes)
        for box in scene.boxes:
            off = [np.abs(np.subtract(each.box, box)).max() for each in found]
            right += min(off, default=FINE) <= 3
    assert written > 80
    assert right / written > 0.95  # some touch each other, some are out of the picture


def test_nothing_is_found_where_nothing_is(scenes: list[Scene]) -> None:
    empty = [scene for scene in scenes if not scene.boxes]
    assert empty
    assert not any(find_written(*maps(scene), EVERYTHING) for scene in empty)


def test_the_largest_come_first_and_no_more_than_are_wanted(
    scenes: list[Scene],
) -> None:
    crowded = max(scenes, key=lambda scene: len(scene.boxes))
    found = find_written(*maps(crowded), EVERYTHING)
    sizes = [each.size for each in found]
    assert len(found) > 2
    assert sizes == sorted(sizes, reverse=True)
    assert len(find_written(*maps(crowded), 2)) == 2


def test_strokes_apart_stay_together_and_far_ink_is_left_out() -> None:
    ink = np.zeros((FINE, FINE), np.float32)
    ink[60:64, 80:120] = 1  # the bar of a 5, and below it the rest
    ink[70:120, 80:84] = 1
    ink[200:204, 10:40] = 1  # something else
    cores = np.zeros((COARSE, COARSE), np.float32)
    cores[35:55, 43:57] = 1
    (found,) = find_written(ink, cores, EVERYTHING)
    assert found.box == (80, 60, 120, 120)


def test_core_without_ink_and_ink_without_core_are_nothing() -> None:
    ink, cores = (np.zeros((side, side), np.float32) for side in (FINE, COARSE))
    ink[10:20, 10:20] = 1
    assert find_written(ink, np.zeros_like(cores), 4) == []
    cores[80:90, 80:90] = 1
    assert find_written(np.zeros_like(ink), cores, 4) == []
    assert find_written(ink, cores, 4) == []


@pytest.mark.parametrize("seed", range(20))
def test_any_maps_give_digits_or_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    ink, cores = (
        np.repeat(np.repeat(random.random((28, 28)), side // 28, 0), side // 28, 1)
        for side in (FINE, COARSE)
    )
    for found in find_written(ink.astype(np.float32), cores.astype(np.float32), 8):
        left, top, right, bottom = found.box
        assert 0 <= left < right <= FINE
        assert 0 <= top < bottom <= FINE
        assert found.digit.shape == (28, 28)
