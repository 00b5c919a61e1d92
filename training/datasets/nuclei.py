"""Nuclei: 334 pictures of cells under a fluorescence microscope, each nucleus outlined.

Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science
Bowl", 2019; image set BBBC038 of the Broad Bioimage Benchmark Collection (Ljosa et al.,
2012). These are its pictures of 256 × 256 pixels, with masks that were corrected since,
in one archive: `images/<id>.png` and `labels/<id>.png`. No address has them in this
form, so they are not fetched: put a copy into the data folder.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.contract.manifest import Data
from training.datasets.fetch import DEFAULT_DATA_DIR, obtain_copy

FILE = "nuclei-256.zip"
SHA256 = {FILE: "adec67993afa46563e705d36789cfc84f75a395d31c28addba6297981f98646b"}
SIDE = 256


@dataclass(frozen=True, slots=True)
class Nuclei:
    """Pictures and what is in them, ordered by id.

    Attributes:
        ids: (rows,) text, of the original pictures.
        pictures: (rows, 256, 256) uint8, 0 = black.
        labels: (rows, 256, 256) uint16, 0 = background, k = nucleus k.
    """

    ids: npt.NDArray[np.str_]
    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, rows: npt.NDArray[np.intp]) -> "Nuclei":
        """The pictures of these numbers."""
        return Nuclei(self.ids[rows], self.pictures[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Parts:
    """Pictures to learn from, to choose by, and to look at once, at the end."""

    train: Nuclei
    validation: Nuclei
    test: Nuclei

    def count(self) -> dict[str, int]:
        """Pictures of each part, for the manifest."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: len(part) for name, part in parts.items()}


def load(data_dir: Path = DEFAULT_DATA_DIR) -> Nuclei:
    """Load the pictures from `data_dir/nuclei/nuclei-256.zip`.

    Raises:
        CorruptedData: The file there has other content.
        DataUnavailable: There is none; the message says how to get it.
    """
    advice = (
        f"{FILE} holds the 334 pictures of 256 × 256 pixels of BBBC038 "
        "(Data Science Bowl 2018, CC0), images/<id>.png, with corrected masks, "
        "labels/<id>.png, of 16 bits; its SHA-256 is checked."
    )
    return parse(obtain_copy(SHA256, data_dir / "nuclei", advice))


def parse(content: bytes) -> Nuclei:
    """Read the archive.

    Args:
        content: a ZIP with a picture and a mask of the same name for each id.

    Raises:
        ValueError: A mask is missing, or a file is of another size.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        ids, masked = (
            sorted(Path(name).stem for name in names if name.startswith(f"{folder}/"))
            for folder in ("images", "labels")
        )
        if not ids or ids != masked:
            raise ValueError(
                f"nuclei: expected a mask for each picture, received {len(ids)} "
                f"pictures and {len(masked)} masks, or of other names"
            )
        pictures = [_read(archive, f"images/{each}.png", "L") for each in ids]
        labels = [_read(archive, f"labels/{each}.png", None) for each in ids]
    return Nuclei(
        np.array(ids),
        np.stack(pictures).astype(np.uint8),
        np.stack(labels).astype(np.uint16),
    )


def split(nuclei: Nuclei, seed: int) -> Parts:
    """Deal the pictures out: 60 % to learn from, 15 % to choose by, 25 % to test."""
    order = np.random.default_rng(seed).permutation(len(nuclei))
    first, second = (round(share * len(nuclei)) for share in (0.6, 0.75))
    return Parts(*map(nuclei.pick, np.split(order, [first, second])))


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on."""
    return Data(
        name="Data Science Bowl 2018, pictures of 256 × 256 pixels (nuclei-256.zip)",
        source="https://bbbc.broadinstitute.org/BBBC038; masks corrected since",
        licence="CC0 1.0",
        sha256=SHA256,
        rows=rows,
    )


def _read(
    archive: zipfile.ZipFile, name: str, mode: str | None
) -> npt.NDArray[np.integer]:
    with Image.open(io.BytesIO(archive.read(name))) as image:
        if image.size != (SIDE, SIDE):
            raise ValueError(
                f"nuclei, {name}: expected {SIDE} × {SIDE} pixels, received "
                f"{image.width} × {image.height}"
            )
        return np.asarray(image.convert(mode) if mode else image)
