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
    assert _prediction(exact)["probabilities"] == [round(each, 6) for each in exact]


def test_the_digit_is_that_of_the_greatest_before_it_is_rounded() -> None:
    found = _prediction([0.0] * 8 + [0.49999990, 0.50000010])
    assert found["digit"] == 9
    assert found["confidence"] == found["probabilities"][8] == 0.5
