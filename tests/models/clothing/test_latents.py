"""Latent vectors: the same from the same seed, and exact at both ends of a way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models.clothing.latents import LIMIT, blend, settle
from service.tasks.generation import LARGEST_SEED, draw

SEEDS = st.integers(0, LARGEST_SEED)


def draw_latents(seed: int, rows: int, dims: int, temperature: float) -> np.ndarray:
    return settle(draw(seed, rows, dims) * temperature)


def test_a_seed_means_the_same_vectors_for_ever() -> None:
    """NumPy's frozen stream, as it was when the first picture was drawn."""
    drawn = draw_latents(7, 2, 4, 1.0)

    assert drawn.dtype == np.float32
    assert drawn.tolist() == [
        [1.6875, -0.46875, 0.03125, 0.40625],
        [-0.78125, 0.0, 0.0, -1.75],
    ]


@given(SEEDS, st.integers(1, 8), st.integers(1, 20))
def test_fewer_are_the_first_of_more(seed: int, rows: int, dims: int) -> None:
    assert np.array_equal(
        draw_latents(seed, rows, dims, 1.0), draw_latents(seed, 9, dims, 1.0)[:rows]
    )


def test_different_seeds_draw_different_vectors() -> None:
    assert not np.array_equal(draw_latents(1, 1, 8, 1.0), draw_latents(2, 1, 8, 1.0))


def test_the_temperature_is_the_spread() -> None:
    assert not draw_latents(3, 10, 8, 0.0).any()
    for heat in (0.5, 1.0):
        drawn = draw_latents(3, 500, 40, heat)
        assert np.std(drawn) == pytest.approx(heat, rel=0.02)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9))
def test_settled_vectors_lie_on_the_grid_and_stay_there(values: list[float]) -> None:
    latents = np.array([values])
    settled = settle(latents)

    assert (settled * 32 == np.rint(settled * 32)).all()
    assert np.abs(settled - latents.clip(-LIMIT, LIMIT)).max() <= 1 / 64 + 1e-6
    assert np.array_equal(settle(settled), settled)
    assert not np.signbit(settled[settled == 0]).any()


@given(st.integers(2, 64), SEEDS)
def test_a_blend_begins_and_ends_exactly_where_it_should(steps: int, seed: int) -> None:
    first, last = draw_latents(seed, 2, 5, 1.5)
    blended = blend(first, last, steps)

    assert blended.shape == (steps, 5)
    assert np.array_equal(blended[0], first)
    assert np.array_equal(blended[-1], last)
    paces = np.diff(blended, axis=0)
    assert np.allclose(paces, (last - first) / (steps - 1))


def test_a_way_to_the_same_place_never_leaves_it() -> None:
    weights = np.eye(10, dtype=np.float32)[3]

    assert np.array_equal(blend(weights, weights, 7), np.tile(weights, (7, 1)))
