import numpy as np
import pytest

from loadtest.arrivals import (
    Arrivals,
    Profile,
    Rates,
    constant,
    levels,
    schedule,
    with_warmup,
)
from loadtest.load import Load, Share

RAMP = Rates((0, 20), (0, 300))
SHAPES = {
    "constant": constant(40, 10),
    "up": Rates((0, 10), (10, 90)),
    "down to nothing": Rates((0, 10), (80, 0)),
    "steps": levels((10, 30, 50, 70), 12),
    "spike": levels((10, 10, 100, 10, 10), 10),
    "warm": with_warmup(Rates((0, 8), (10, 50)), 2),
}


@pytest.mark.parametrize("rates", SHAPES.values(), ids=SHAPES)
def test_as_many_requests_come_before_a_time_as_the_rates_add_up_to(
    rates: Rates,
) -> None:
    fine = np.linspace(0, rates.duration_s, 200_001)
    heights = np.interp(fine, rates.times_s, rates.rates)
    areas = np.cumsum((heights[1:] + heights[:-1]) / 2 * np.diff(fine))
    counts = np.arange(1.0, np.floor(rates.total()))

    expected = np.interp(counts, areas, fine[1:])

    assert rates.when(counts) == pytest.approx(expected, abs=0.01)


def test_a_ramp_ends_at_its_last_rate() -> None:
    times = Rates((0, 10), (0, 100)).when(np.arange(501.0))

    assert times[0] == 0
    assert times[-1] == pytest.approx(10)
    assert 1 / np.diff(times)[-1] == pytest.approx(100, rel=0.01)


def count(profile: Profile, rate: float, top: float, edges: list[float]) -> list[int]:
    """Requests between these times, the last of which is the end."""
    rates = profile.rates(rate, top, edges[-1], 4)
    times = rates.when(np.arange(rates.total()))
    counts: list[int] = np.histogram(times, edges)[0].tolist()
    return counts


def test_steps_are_level_and_of_equal_length() -> None:
    counts = count(Profile.STEPS, 10, 40, [0, 10, 20, 30, 40])

    assert counts == pytest.approx([100, 200, 300, 400], abs=1)


def test_a_spike_stands_in_the_middle_fifth() -> None:
    counts = count(Profile.SPIKE, 10, 100, [0, 4, 6, 10])

    assert counts == pytest.approx([40, 200, 40], abs=1)


@pytest.mark.parametrize("profile", [Profile.CONSTANT, Profile.SOAK])
def test_a_soak_is_as_even_as_a_constant_rate(profile: Profile) -> None:
    assert profile.rates(10, 40, 5, 8) == constant(10, 5)


def test_a_warm_up_is_at_the_first_rate_and_comes_on_top() -> None:
    rates = with_warmup(Rates((0, 8), (10, 50)), 2)

    assert rates.duration_s == 10
    assert rates.when(np.array([20.0])) == pytest.approx(2)
    assert with_warmup(rates, 0) is rates


def seeded(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_constant_arrivals_are_evenly_apart() -> None:
    times = schedule(constant(50, 4), Arrivals.CONSTANT, seeded())

    assert times == pytest.approx(np.arange(200) / 50)


def test_gaps_of_a_poisson_process_are_exponential() -> None:
    gaps = np.diff(schedule(constant(100, 500), Arrivals.POISSON, seeded()))

    assert gaps.mean() == pytest.approx(0.01, rel=0.02)
    assert gaps.std() == pytest.approx(0.01, rel=0.02)  # as large as the mean
    assert np.quantile(gaps, 0.5) == pytest.approx(0.01 * np.log(2), rel=0.03)


def test_counts_of_a_poisson_process_vary_as_much_as_their_mean() -> None:
    times = schedule(constant(100, 500), Arrivals.POISSON, seeded())

    counts = np.histogram(times, np.arange(501))[0]

    assert counts.mean() == pytest.approx(100, rel=0.02)
    assert counts.var() == pytest.approx(100, rel=0.15)


@pytest.mark.parametrize("arrivals", Arrivals)
def test_times_rise_and_stay_within_the_test(arrivals: Arrivals) -> None:
    times = schedule(RAMP, arrivals, seeded())

    assert np.all(np.diff(times) >= 0)
    assert times[0] >= 0
    assert times[-1] < 20
    assert len(times) == pytest.approx(3000, rel=0.1)


def test_the_same_seed_gives_the_same_times() -> None:
    rates = constant(100, 5)

    one = schedule(rates, Arrivals.POISSON, seeded(1))

    assert np.array_equal(one, schedule(rates, Arrivals.POISSON, seeded(1)))
    assert not np.array_equal(one, schedule(rates, Arrivals.POISSON, seeded(2)))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_together_send_what_one_would(processes: int) -> None:
    load = Load("http://localhost", {"digits": 1}, ["digits"], 5, rates=constant(99, 5))
    whole = Share(load).schedule()

    parts = [Share(load, index, processes) for index in range(processes)]

    sent = np.concatenate([part.schedule() for part in parts])
    assert np.array_equal(np.sort(sent), whole)
    assert sum(part.connections() for part in parts) == load.connections


def test_a_closed_loop_has_no_schedule() -> None:
    load = Load("http://localhost", {"digits": 1}, ["digits"], 5)

    with pytest.raises(ValueError, match="expected an open loop"):
        Share(load).schedule()
