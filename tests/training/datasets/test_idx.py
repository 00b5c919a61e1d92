"""Image sets are read as their authors wrote them, or not at all."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from training.datasets import fashion_mnist, mnist
from training.datasets.fetch import CorruptedData, DataUnavailable
from training.datasets.idx import decode_idx

SETS = pytest.mark.parametrize(
    ("data_set", "folder"),
    [(mnist, "mnist"), (fashion_mnist, "fashion-mnist")],
    ids=["mnist", "fashion-mnist"],
)


def test_idx_is_decoded_in_row_order() -> None:
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3])

    decoded = decode_idx(header + bytes([1, 2, 3, 4, 5, 255]))

    np.testing.assert_array_equal(decoded, [[[1, 2, 3]], [[4, 5, 255]]])
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", bytes([0, 0, 13, 1]), bytes([0, 0, 8, 1, 0, 0, 0, 9, 1])],
    ids=["empty", "a page", "floats", "cut short"],
)
def test_what_is_not_idx_of_bytes_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"IDX|reshape"):
        decode_idx(content)


@SETS
def test_a_changed_file_is_refused(
    data_set: ModuleType, folder: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "train-labels-idx1-ubyte").write_bytes(b"\0" * 60008)

    with pytest.raises(CorruptedData, match="train-labels-idx1-ubyte"):
        data_set.load(tmp_path)


@SETS
def test_without_files_and_sources_the_user_is_told_which_to_bring(
    data_set: ModuleType, folder: str, tmp_path: Path
) -> None:
    with pytest.raises(DataUnavailable) as caught:
        data_set.load(tmp_path, sources=())

    assert all(name in str(caught.value) for name in data_set.SHA256)
    assert str(tmp_path / folder) in str(caught.value)
