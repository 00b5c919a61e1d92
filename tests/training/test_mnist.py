"""MNIST is read as its authors wrote it, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from training.datasets import mnist
from training.datasets.fetch import CorruptedData, DataUnavailable


def test_idx_is_decoded_in_row_order() -> None:
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3])

    decoded = mnist.decode_idx(header + bytes([1, 2, 3, 4, 5, 255]))

    np.testing.assert_array_equal(decoded, [[[1, 2, 3]], [[4, 5, 255]]])
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", bytes([0, 0, 13, 1]), bytes([0, 0, 8, 1, 0, 0, 0, 9, 1])],
    ids=["empty", "a page", "floats", "cut short"],
)
def test_what_is_not_idx_of_bytes_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"IDX|reshape"):
        mnist.decode_idx(content)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(b"\0" * 60008)

    with pytest.raises(CorruptedData, match="train-labels-idx1-ubyte"):
        mnist.load(tmp_path)


def test_without_files_and_sources_the_user_is_told_which_to_bring(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataUnavailable) as caught:
        mnist.load(tmp_path, sources=())

    assert all(name in str(caught.value) for name in mnist.SHA256)
    assert str(tmp_path / "mnist") in str(caught.value)
