import numpy as np
import pytest

from loadtest.profile import SOAK_S, Profile, Shape
from loadtest.rates import Rates, constant, ramp, spike, steps, with_warmup

SHAPES = {
    "constant": constant(40, 10),
    "up": ramp(10, 90, 10),
    "down to nothing": ramp(80, 0, 10),
    "steps": steps(10, 70, 12, 4),
    "spike": spike(10, 100, 10),
    "warm": with_warmup(ramp(10, 50, 8), 2),
}


@pytest.mark.parametrize("rates", SHAPES.values(), ids=SHAPES)
def test_as_many_requests_come_before_a_time_as_the_rates_add_up_to(
    rates: Rates,
) -> None:
    fine = np.linspace(0, rates.duration_s, 200_001)
    heights = np.interp(fine, rates.times_s, rates.rates)
    areas = np.cumsum((heights[1:] + heights[:-1]) / 2 * np.diff(fine))
    counts = np.arange(1.0, np.floor(rates.cumulative()[-1]))

    expected = np.interp(counts, areas, fine[1:])

    assert rates.when(counts) == pytest.approx(expected, abs=0.01)


def test_a_ramp_ends_at_its_last_rate() -> None:
    times = ramp(0, 100, 10).when(np.arange(501.0))

    assert times[0] == 0
    assert times[-1] == pytest.approx(10)
    assert 1 / np.diff(times)[-1] == pytest.approx(100, rel=0.01)


def test_steps_are_level_and_of_equal_length() -> None:
    times = steps(10, 40, 40, 4).when(np.arange(1000.0))

    counts = np.histogram(times, [0, 10, 20, 30, 40])[0]

    assert counts.tolist() == pytest.approx([100, 200, 300, 400], abs=1)


def test_a_spike_stands_in_the_middle_fifth() -> None:
    times = spike(10, 100, 10).when(np.arange(280.0))

    assert np.histogram(times, [0, 4, 6, 10])[0].tolist() == pytest.approx(
        [40, 200, 40], abs=1
    )


def test_a_warm_up_is_at_the_first_rate_and_comes_on_top() -> None:
    rates = with_warmup(ramp(10, 50, 8), 2)

    assert rates.duration_s == 10
    assert rates.cumulative()[1] == 20
    assert with_warmup(rates, 0) is rates


def test_a_profile_that_names_no_height_goes_to_four_times_its_rate() -> None:
    assert Profile(Shape.RAMP, 10, None, 8).rates(5) == ramp(10, 40, 5)
    assert Profile(Shape.SPIKE, 10, 15, 8).rates(5) == spike(10, 15, 5)
    assert Profile(Shape.STEPS, 10, 20, 3).rates(5) == steps(10, 20, 5, 3)
    assert Profile(Shape.SOAK, 10, None, 8).rates(5) == constant(10, 5)
    assert Shape.SOAK.usual_s() == SOAK_S
