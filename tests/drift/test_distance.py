"""The population stability index, and what it is by chance."""

import math

import numpy as np
import pytest

from service.drift.distance import critical_psi, psi


def test_it_is_the_sum_of_both_divergences() -> None:
    found, expected = (0.3, 0.7), (0.5, 0.5)
    one = sum(p * math.log(p / q) for p, q in zip(found, expected, strict=True))
    other = sum(q * math.log(q / p) for p, q in zip(found, expected, strict=True))
    many = psi(found, expected, 10**9, 10**9)
    assert many == pytest.approx(one + other)


def test_equal_mixes_have_none_whatever_is_empty() -> None:
    assert psi((0.5, 0.5, 0.0), (0.5, 0.5, 0.0), 200, 10**6) == 0


def test_a_label_that_appears_counts_though_training_had_none() -> None:
    assert psi((0.9, 0.1), (1.0, 0.0), 1000, 1000) > 0.25


def test_one_group_has_no_distance() -> None:
    assert psi((1.0,), (1.0,), 200, 200) == 0
    assert critical_psi(200, 200, 1) > 0


@pytest.mark.parametrize("groups", [2, 3, 12, 52])
@pytest.mark.parametrize("rows", [(200, 64), (200, 2000), (10_000, 64), (10**6, 10**4)])
@pytest.mark.parametrize("first", [None, 0.9], ids=["even", "skew"])
def test_chance_exceeds_the_critical_value_about_once_in_a_thousand(
    groups: int, rows: tuple[int, int], first: float | None
) -> None:
    rng, times = np.random.default_rng(7), 4000
    mix = np.full(groups, 1 / groups)
    if first is not None:
        mix = np.array([first] + [(1 - first) / (groups - 1)] * (groups - 1))
    samples = [(rng.multinomial(each, mix, times) / each).tolist() for each in rows]
    limit = critical_psi(*rows, groups)
    pairs = zip(samples[0], samples[1], strict=True)
    beyond = sum(psi(*pair, rows[0], rows[1]) > limit for pair in pairs)
    assert beyond / times < 0.005
