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


def _paint(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    ink = np.zeros((FINE, FINE), np.float32)
    for left, top, right, bottom in boxes:
        ink[top:bottom, left:right] = 1
    return ink


def _cores(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    return _paint(*boxes)[::2, ::2]


def test_a_frame_about_what_was_written_is_left_out() -> None:
    level = (60, 60, 140, 62), (60, 138, 140, 140)
    upright = (60, 60, 62, 140), (138, 60, 140, 140)
    stroke = 95, 75, 105, 125
    (found,) = find_written(
        _paint(*level, *upright, stroke), _cores((75, 75, 125, 125)), EVERYTHING
    )
    assert found.box == stroke


def test_a_ring_about_a_speck_is_no_frame() -> None:
    level = (60, 60, 140, 62), (60, 138, 140, 140)
    upright = (60, 60, 62, 140), (138, 60, 140, 140)
    speck = 99, 99, 101, 101
    (found,) = find_written(
        _paint(*level, *upright, speck), _cores((72, 72, 128, 128)), EVERYTHING
    )
    assert found.box == (60, 60, 140, 140)


def test_a_number_s_digit_is_not_divided_between_neighbours() -> None:
    first, second = (70, 80, 100, 120), (104, 80, 134, 120)
    cores = _cores((82, 94, 94, 106), (108, 86, 126, 114))
    found = find_written(_paint(first, second), cores, EVERYTHING, beside=True)
    assert {each.box for each in found} == {first, second}


def test_strokes_side_by_side_are_parts_of_what_may_be_no_digit() -> None:
    first, second = (70, 80, 84, 120), (96, 80, 110, 120)
    (found,) = find_written(
        _paint(first, second), _cores((76, 86, 104, 114)), EVERYTHING
    )
    assert found.box == (70, 80, 110, 120)
    assert [part.box for part in found.parts] == [first, second]


def test_ink_in_line_with_a_number_is_of_it_where_a_number_is_wanted() -> None:
    known, narrow, line = (70, 80, 110, 120), (130, 78, 134, 122), (20, 180, 200, 182)
    ink, cores = _paint(known, narrow, line), _cores((76, 86, 104, 114))
    assert [each.box for each in find_written(ink, cores, EVERYTHING)] == [known]
    found = find_written(ink, cores, EVERYTHING, beside=True)
    assert {each.box for each in found} == {known, narrow}
