import numpy as np
import pytest

from loadtest.arrivals import Arrivals, schedule
from loadtest.load import Load, Share
from loadtest.rates import constant, ramp


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
    times = schedule(ramp(0, 300, 20), arrivals, seeded())

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
