"""What is answered of the probabilities of ten digits."""

import numpy as np

from service.models.digits.endpoint import _prediction


def test_probabilities_are_rounded_as_round_does_it() -> None:
    rng = np.random.default_rng(8)
    halves = (np.arange(10_000) + 0.5) / 1e6  # as near to the middle as float32 comes
    bits = rng.integers(0, 0x3F800001, 100_000, dtype=np.uint32)  # anything from 0 to 1
    dyadic = rng.integers(0, 2**15, 10_000) / 2**15  # some lie exactly in the middle
    values = np.concatenate([halves, dyadic, [0, 1]], dtype=np.float32)
    exact = [*values.tolist(), *bits.view(np.float32).tolist()]
    assert [
        each
        for start in range(0, len(exact), 10)
        for each in _prediction(exact[start : start + 10], 1.0)["probabilities"]
    ] == [round(each, 6) for each in exact]


def test_the_digit_is_that_of_the_greatest_before_it_is_rounded() -> None:
    found = _prediction([0.0] * 8 + [0.49999990, 0.50000010], 1.0)
    assert found["digit"] == 9
    assert found["confidence"] == found["probabilities"][8] == 0.5


def test_the_eleventh_is_that_it_is_no_digit() -> None:
    found = _prediction([0.01] * 10 + [0.9], 0.4)
    assert len(found["probabilities"]) == 10
    assert found["no_digit"] == 0.9
    assert "may be no digit" in found["warning"]


def test_sure_answer_has_no_warning_and_guess_has_one() -> None:
    assert "warning" not in _prediction([0.97, *[0.002] * 9, 0.012], 0.4)
    guess = _prediction([0.4, 0.4, *[0.0] * 8, 0.2], 0.4)
    assert "guess" in guess["warning"]
