"""The nuclei's archive: made by hand here, for it is not shipped."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets import nuclei
from training.datasets.fetch import CorruptedData, DataUnavailable
from training.datasets.nuclei import SIDE, Nuclei


def encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pack(files: dict[str, np.ndarray]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, pixels in files.items():
            archive.writestr(name, encode(pixels))
    return packed.getvalue()


def test_pictures_come_with_their_masks_in_the_order_of_their_ids() -> None:
    light, dark = (np.full((SIDE, SIDE, 3), each, np.uint8) for each in (200, 3))
    one, many = np.zeros((2, SIDE, SIDE), np.uint16)
    many[4, 5] = 300

    found = nuclei.parse(
        pack(
            {
                "images/b.png": light,
                "images/a.png": dark,
                "labels/a.png": one,
                "labels/b.png": many,
            }
        )
    )

    assert found.ids.tolist() == ["a", "b"]
    assert found.pictures.dtype == np.uint8
    assert found.labels.dtype == np.uint16
    assert found.pictures[:, 4, 5].tolist() == [3, 200]
    assert found.labels[:, 4, 5].tolist() == [0, 300]


@pytest.mark.parametrize(
    ("names", "side", "words"),
    [
        (["images/a.png"], SIDE, "1 pictures and 0 masks"),
        (["images/a.png", "labels/b.png"], SIDE, "expected a mask for each"),
        ([], SIDE, "0 pictures"),
        (["images/a.png", "labels/a.png"], 255, "expected 256 × 256"),
    ],
)
def test_an_archive_of_another_kind_is_refused(
    names: list[str], side: int, words: str
) -> None:
    files = {name: np.zeros((side, side), np.uint8) for name in names}

    with pytest.raises(ValueError, match=words):
        nuclei.parse(pack(files))


def test_every_picture_is_in_one_part() -> None:
    zeros = np.zeros((40, 2, 2), np.uint8)
    whole = Nuclei(np.arange(40).astype(str), zeros, zeros.astype(np.uint16))

    parts = nuclei.split(whole, seed=3)

    assert parts.count() == {"train": 24, "validation": 6, "test": 10}
    ids = np.concatenate([parts.train.ids, parts.validation.ids, parts.test.ids])
    assert sorted(ids) == sorted(whole.ids)
    assert parts.test.ids.tolist() == nuclei.split(whole, seed=3).test.ids.tolist()
    assert parts.test.ids.tolist() != nuclei.split(whole, seed=4).test.ids.tolist()


def test_without_a_copy_the_user_reads_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"Put these files .*(\n.*)*BBBC038"):
        nuclei.load(tmp_path)


def test_another_archive_in_the_users_folder_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "nuclei").mkdir()
    (tmp_path / "nuclei" / nuclei.FILE).write_bytes(b"another")

    with pytest.raises(CorruptedData):
        nuclei.load(tmp_path)
