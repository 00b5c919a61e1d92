"""Rows go through in chunks, and come out whole and in order."""

import numpy as np
import pytest

from training.core.prediction import predict


@pytest.mark.parametrize("rows", [1, 3, 4, 11], ids=str)
def test_chunks_do_not_show(rows: int) -> None:
    sizes = []

    def call(left: object, right: object) -> dict[str, object]:
        sizes.append(left.shape[0])  # type: ignore[attr-defined]
        return {"sum": left + right, "left": left}  # type: ignore[operator]

    left, right = np.arange(rows, dtype=np.int32), np.full(rows, 5, np.int32)
    found = predict(call, {"left": left, "right": right}, chunk=4)

    np.testing.assert_array_equal(found["sum"], left + 5)
    np.testing.assert_array_equal(found["left"], left)
    assert max(sizes) <= 4
