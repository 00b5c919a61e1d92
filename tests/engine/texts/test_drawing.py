"""Which symbol is drawn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.engine.texts.drawing import draw

LOGITS = arrays.arrays(
    np.int32, st.tuples(st.integers(1, 9), st.just(20)), elements=st.integers(-999, 999)
)


def drawn(
    logits: Any, *, unit: float = 1, heat: Any = 1.0, most: Any = 99, random: Any = 0.5
) -> tuple[list[int], list[float]]:
    rows = len(logits)
    symbols, logprobs = draw(
        np.asarray(logits, np.int32),
        unit,
        np.broadcast_to(np.asarray(heat, float), rows),
        np.broadcast_to(np.asarray(most), rows),
        np.broadcast_to(np.asarray(random, float), rows),
    )
    return symbols.tolist(), logprobs.tolist()


def test_symbols_come_as_often_as_their_logits_say() -> None:
    random = (np.arange(10_000) + 0.5) / 10_000
    logits = np.tile([0, 100, 200], (len(random), 1))

    symbols, logprobs = drawn(logits, unit=0.01, random=random)

    weights = np.exp([0, 1, 2])
    shares = np.bincount(symbols) / len(symbols)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=1e-4)
    first = symbols.index(2)
    assert logprobs[first] == pytest.approx(np.log(weights[2] / weights.sum()))


def test_a_low_temperature_sharpens_and_zero_takes_the_likeliest() -> None:
    logits, random = [[0, 2, 1]] * 3, [0.95, 0.95, 0.999999]
    assert drawn(logits, heat=[1, 0.2, 0], random=random)[0] == [2, 1, 1]
    assert drawn([[5, 5]], heat=0, random=0.999)[0] == [0]  # of equals the first


def test_a_temperature_next_to_zero_is_as_good_as_zero() -> None:
    assert drawn([[0, 2, 1]], heat=1e-308, random=0.999)[0] == [1]


def test_of_the_likeliest_only_so_many_are_drawn() -> None:
    random = (np.arange(100) + 0.5) / 100
    logits = np.tile([3, 1, 3, 3], (len(random), 1))
    assert set(drawn(logits, most=2, random=random)[0]) == {0, 2}
    assert set(drawn(logits, most=1, random=random)[0]) == {0}


@given(LOGITS, st.data())
def test_a_row_is_drawn_alike_in_any_company(logits: Any, data: Any) -> None:
    rows = len(logits)
    floats = st.lists(st.floats(0, 1, exclude_max=True), min_size=rows, max_size=rows)
    random, heat = data.draw(floats), data.draw(floats)
    most = data.draw(st.lists(st.integers(1, 25), min_size=rows, max_size=rows))

    together = drawn(logits, unit=0.01, heat=heat, most=most, random=random)

    for row in range(rows):
        facts = {"heat": heat[row], "most": most[row], "random": random[row]}
        alone = drawn(logits[row : row + 1], unit=0.01, **facts)
        assert alone == ([together[0][row]], [together[1][row]])
