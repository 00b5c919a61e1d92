"""What is learnt from batches, and how soon it is forgotten."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.batching.throughput import EXPIRES_S, Throughput

FULL = 32


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Model:
    """A batch takes `fixed_s`, and `row_s` for each row, all times `factor`."""

    def __init__(self, fixed_s: float = 0.0004, row_s: float = 0.0003):
        self.fixed_s, self.row_s, self.factor = fixed_s, row_s, 1.0
        self.clock = Clock()
        self.throughput = Throughput(FULL, self.clock)

    def run(self, rows: int, times: int = 1) -> None:
        for _ in range(times):
            seconds = (self.fixed_s + rows * self.row_s) * self.factor
            self.clock.now += seconds
            self.throughput.learn(rows, seconds)

    @property
    def true_row_s(self) -> float:
        return (self.fixed_s / FULL + self.row_s) * self.factor

    @property
    def estimate(self) -> float:
        """As a share of what is true."""
        return self.throughput.seconds(1) / self.true_row_s


@given(
    st.lists(st.integers(1, FULL), min_size=9, max_size=60),
    st.integers(1, FULL),
    st.floats(2, 10_000),
)
def test_one_slow_batch_among_fast_ones_changes_nothing(
    sizes: list[int], slow: int, factor: float
) -> None:
    model = Model()
    model.run(FULL, 9)
    for rows in sizes:
        model.run(rows)
    model.factor = factor
    model.run(slow)
    model.factor = 1
    assert 0.5 < model.estimate < 2


@pytest.mark.parametrize("factor", [0.01, 0.2, 5, 100])
def test_a_model_that_has_really_changed_is_known_after_ten_batches(
    factor: float,
) -> None:
    model = Model()
    model.run(FULL, 50)
    model.factor = factor
    model.run(FULL, 10)
    assert model.estimate == pytest.approx(1)


@given(st.lists(st.integers(1, FULL), min_size=10, max_size=30), st.floats(10, 1000))
def test_slowness_is_unlearnt_from_whatever_batches_there_are(
    sizes: list[int], factor: float
) -> None:
    model = Model()
    model.factor = factor
    model.run(FULL, 9)
    model.factor = 1
    for rows in sizes:  # of which none need be full: nothing else is let in
        model.run(rows)
    most = (model.fixed_s + model.row_s) / model.true_row_s  # what one row may cost
    assert 0.99 < model.estimate <= most * 1.01


@given(st.lists(st.integers(1, FULL), min_size=10, max_size=30))
def test_batches_that_are_not_full_never_let_a_model_look_slower_than_it_is(
    sizes: list[int],
) -> None:
    model = Model()
    for rows in sizes:
        model.run(rows)
        assert 0 < model.estimate <= 1.001


def test_what_was_learnt_expires_when_nothing_runs() -> None:
    model = Model()
    model.run(FULL, 9)
    assert model.throughput.seconds(1) > 0
    model.clock.now += EXPIRES_S
    assert model.throughput.seconds(1) == 0
    model.factor = 7
    model.run(FULL)
    assert model.estimate == pytest.approx(1)


def test_a_model_that_takes_minutes_for_a_batch_is_not_forgotten_meanwhile() -> None:
    model = Model(fixed_s=60.0)
    model.run(FULL)
    model.clock.now += 2 * 60.0
    assert model.estimate == pytest.approx(1)


def test_admission_opens_again_after_slow_batches() -> None:
    """A simulation: who is refused, when a queue is fed twice as much as it can do."""
    rng = random.Random(4)
    model, deadline_s = Model(), 0.1
    waiting, answered = 0, []
    for turn in range(400):
        model.factor = 500 if 100 <= turn < 105 else 1  # 5 s instead of 10 ms a batch
        for _ in range(rng.randint(0, 4 * FULL)):
            if model.throughput.seconds(waiting) < deadline_s:
                waiting += 1
        rows = min(waiting, FULL)
        if rows:
            model.run(rows)
            waiting -= rows
            answered.append((turn, rows))
    before = [rows for turn, rows in answered if 20 <= turn < 100]
    after = [rows for turn, rows in answered if turn >= 120]
    assert sum(after) / 280 > 0.95 * sum(before) / 80
