"""Single things in masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from service.tasks import instances
from service.tasks.instances import tell_apart


def draw(*rows: str) -> np.ndarray:
    """The letters of a drawing: (rows, columns)."""
    return np.array([[*row] for row in rows])


TOUCHING = draw(
    "..........",
    ".aaaabbbb.",
    ".aAAabBBb.",
    ".aAAabBBb.",
    ".aaaabbbb.",
    "..........",
)


def test_what_hangs_together_is_one() -> None:
    found = tell_apart(draw("##.#", "#..#", "....", ".##.") == "#")

    assert found.labels.tolist() == [
        [0, 0, -1, 1],
        [0, -1, -1, 1],
        [-1] * 4,
        [-1, 2, 2, -1],
    ]
    assert found.areas.tolist() == [3, 2, 2]
    assert found.centres[1].tolist() == [0.5, 3]
    assert found.centres[2].tolist() == [3, 1.5]


def test_what_touches_is_told_apart_by_its_cores() -> None:
    mask, cores = TOUCHING != ".", np.isin(TOUCHING, ["A", "B"])

    found = tell_apart(mask, cores)

    assert len(tell_apart(mask).areas) == 1
    assert found.areas.tolist() == [16, 16]
    assert ((found.labels == 0) == np.isin(TOUCHING, ["a", "A"])).all()
    assert found.centres.tolist() == [[2.5, 2.5], [2.5, 6.5]]


def test_what_has_no_core_is_a_thing_too() -> None:
    mask = np.hstack([TOUCHING, draw(*["#"] * 6)]) != "."
    cores = np.zeros(mask.shape, np.bool_)
    cores[2:4, 2:4] = True

    found = tell_apart(mask, cores)

    assert sorted(found.areas.tolist()) == [6, 32]


def test_a_core_of_a_pixel_is_noise() -> None:
    mask, cores = TOUCHING != ".", np.zeros(TOUCHING.shape, np.bool_)
    cores[2, [2, 7]] = True

    assert tell_apart(mask, cores).areas.tolist() == [32]


def test_a_core_outside_of_the_mask_is_none() -> None:
    nothing = np.zeros((4, 5), np.bool_)

    found = tell_apart(nothing, ~nothing)

    assert found.areas.size == 0
    assert found.centres.shape == (0, 2)
    assert (found.labels == -1).all()


def test_what_is_too_far_from_a_core_is_a_thing_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(instances, "FARTHEST", 3)
    row = np.ones((1, 10), np.bool_)

    found = tell_apart(row, np.arange(10)[np.newaxis] < 3)

    assert found.areas.tolist() == [6, 4]


@given(st.integers(0, 2**32 - 1))
def test_every_pixel_of_a_mask_is_of_one_thing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((20, 30)), 1.5)
    mask, cores = smooth > 0.5, smooth > 0.53

    found = tell_apart(mask, cores)

    assert ((found.labels >= 0) == mask).all()
    assert found.areas.sum() == mask.sum()
    assert found.areas.all()
    for thing, centre in enumerate(found.centres):
        rows, columns = np.nonzero(found.labels == thing)
        assert centre.tolist() == pytest.approx([rows.mean(), columns.mean()])
