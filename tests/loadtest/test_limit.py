from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.limit import Step, find_limit


def up_to(true: float) -> Callable[[Step, float], bool]:
    return lambda step, rate: rate <= true


@given(
    true=st.floats(2, 40_000),
    start=st.floats(1, 5_000),
    tolerance=st.floats(0.01, 0.5),
)
def test_the_limit_is_found_within_the_tolerance(
    true: float, start: float, tolerance: float
) -> None:
    limit = find_limit(up_to(true), start, 50_000, tolerance)

    assert limit.rate is not None
    assert limit.failed is not None
    assert limit.rate <= true < limit.failed
    assert limit.failed <= limit.rate * (1 + tolerance) * (1 + 1e-9)


def test_a_service_that_holds_everything_is_searched_up_to_the_most() -> None:
    limit = find_limit(up_to(1e9), 50, 1000, 0.05)

    assert (limit.rate, limit.failed) == (1000, None)


def test_a_service_that_holds_nothing_has_no_limit() -> None:
    limit = find_limit(up_to(0), 50, 1000, 0.05)

    assert limit.rate is None
    assert min(probe.rate for probe in limit.probes) == 1


def test_one_hiccup_is_no_limit() -> None:
    failed: list[float] = []

    def attempt(step: Step, rate: float) -> bool:
        is_hiccup = rate > 100 and rate not in failed
        failed.append(rate)
        return rate <= 300 and not (is_hiccup and step is not Step.CONFIRM)

    limit = find_limit(attempt, 50, 1000, 0.05)

    assert limit.rate == pytest.approx(300, rel=0.05)


def test_what_does_not_hold_for_longer_is_lowered() -> None:
    def attempt(step: Step, rate: float) -> bool:
        return rate <= (90 if step is Step.CONFIRM else 100)

    limit = find_limit(attempt, 100, 1000, 0.05)

    assert limit.rate == pytest.approx(100 / 1.05**3)
    assert limit.failed == pytest.approx(100 / 1.05**2)
    assert [each.step for each in limit.probes[-4:]] == [Step.CONFIRM] * 4


def test_what_is_never_confirmed_is_no_limit() -> None:
    limit = find_limit(lambda step, rate: step is not Step.CONFIRM, 50, 100, 0.05)

    assert limit.rate is None
