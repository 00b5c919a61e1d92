"""The simulation of more cores keeps to arithmetic where that is known."""

import pytest

from benchmarks.scaling import Costs, Shape, Simulation

COSTS = Costs(http=0.2, loop=0.1, call=0.0, row=0.2)


def test_one_core_does_what_one_core_can() -> None:
    rate, _ = Simulation(COSTS, Shape(1, http=1), callers=16).run(2000)
    assert rate == pytest.approx(1000 / 0.5, rel=0.03)


def test_a_lone_caller_waits_for_every_stage() -> None:
    rate, _ = Simulation(COSTS, Shape(16, http=8), callers=1).run(200)
    assert rate == pytest.approx(1000 / 0.5, rel=0.02)


def test_with_many_cores_the_narrowest_stage_is_full() -> None:
    slow = Costs(http=0.1, loop=0.1, call=0.0, row=1.0)
    rate, busy = Simulation(slow, Shape(16, http=8), callers=256).run(4000)
    assert rate == pytest.approx(2 * 1000, rel=0.05)  # two batches at a time
    assert busy["batch"] > 0.95
    assert busy["http"] < 0.1


def test_more_http_processes_help_where_http_is_the_narrowest_stage() -> None:
    costs = Costs(http=1.0, loop=0.01, call=0.0, row=0.01)
    few, many = (
        Simulation(costs, Shape(16, http=count), callers=256).run(3000)[0]
        for count in (2, 4)
    )
    assert many == pytest.approx(2 * few, rel=0.05)
