"""Free Spoken Digit Dataset: 3,000 recordings of six speakers who say 0 to 9.

Jackson and others, https://github.com/Jakobovski/free-spoken-digit-dataset, 8 kHz, in
English, cut close around the word; each speaker says each digit fifty times, numbered
from 0. By the data set's own convention the numbers 0 to 4 are for the test.
"""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from service.contract.manifest import Data
from training.datasets.converted import Converted, find_original
from training.datasets.fetch import DEFAULT_DATA_DIR, Source, Website, obtain

LICENCE = "CC BY-SA 4.0"
SOURCE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
RATE = 8000  # samples a second
ARCHIVE = "free-spoken-digit-dataset.tar.gz"
RECORDINGS = "recordings.tar"
SHA256 = {
    RECORDINGS: "31b4955b565bab486bb8a80b6af497de56f55d3e8884259597637c345f558db2"
}

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recordings:
    """Recordings, by the names of their files.

    Attributes:
        samples: float32 (length,) of each, -1 to 1, of different lengths.
        digits: (rows,) what is said, 0 to 9.
        speakers: (rows,) who says it.
        numbers: (rows,) of the recording, from 0, by digit and speaker.
    """

    samples: tuple[Samples, ...]
    digits: npt.NDArray[np.int64]
    speakers: npt.NDArray[np.str_]
    numbers: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.samples)

    def pick(self, mask: npt.NDArray[np.bool_]) -> "Recordings":
        """Those for which a (rows,) mask is true."""
        chosen = tuple(self.samples[row] for row in np.flatnonzero(mask))
        return Recordings(
            chosen, self.digits[mask], self.speakers[mask], self.numbers[mask]
        )


def rewrite_archive(content: bytes) -> bytes:
    """Rewrite an archive that has `recordings/` somewhere as ours: these files alone.

    Raises:
        ValueError: It is no archive.
    """
    out = io.BytesIO()
    try:
        with (
            tarfile.open(fileobj=io.BytesIO(content)) as given,
            tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as ours,
        ):
            found = {
                Path(each.name).name: each
                for each in given
                if each.isfile() and each.name.endswith(".wav")
            }
            for name in sorted(found):
                file: Any = given.extractfile(found[name])
                entry = tarfile.TarInfo(name)  # of no date and no owner
                entry.size = found[name].size
                ours.addfile(entry, file)
    except tarfile.TarError as error:
        raise ValueError(
            f"expected a tar archive, received another: {error}"
        ) from error
    return out.getvalue()


SOURCES: tuple[Source, ...] = (
    Converted(
        Website(f"{SOURCE}/archive/refs/tags", suffix=""),
        "v1.0.10.tar.gz",
        rewrite_archive,
    ),
    Converted(
        Website(f"{SOURCE}/archive/refs/heads", suffix=""),
        "master.tar.gz",
        rewrite_archive,
    ),
)


def load(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = SOURCES
) -> Recordings:
    """Load the recordings from `data_dir/spoken`, fetching them there if missing.

    A copy of the project's archive, `free-spoken-digit-dataset.tar.gz`, is found there.

    Raises:
        CorruptedData: The file there has other recordings.
        DataUnavailable: There is none, and no source could be reached.
    """
    folder = data_dir / "spoken"
    original = find_original(folder, ARCHIVE, rewrite_archive)
    return parse(obtain(SHA256, (*original, *sources), folder)[RECORDINGS])


def parse(content: bytes) -> Recordings:
    """Read an archive of ours.

    Args:
        content: tar of `{digit}_{speaker}_{number}.wav`, each at 8 kHz, in one channel.

    Raises:
        ValueError: A file is named otherwise, or has another rate.
    """
    names, samples = [], []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file: Any = archive.extractfile(member)
            names.append(member.name.removesuffix(".wav").split("_"))
            samples.append(_read(member.name, file.read()))
    digits, speakers, numbers = zip(*names, strict=True)
    return Recordings(
        tuple(samples),
        np.array(digits, np.int64),
        np.array(speakers),
        np.array(numbers, np.int64),
    )


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on; `rows` by split."""
    return Data(
        name="Free Spoken Digit Dataset",
        source=SOURCE,
        licence=LICENCE,
        sha256=SHA256,
        rows=rows,
    )


def _read(name: str, content: bytes) -> Samples:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    if rate != RATE or samples.ndim != 1:
        raise ValueError(
            f"{name}: expected one channel of {RATE} samples a second, received "
            f"{samples.shape} of {rate}"
        )
    return np.asarray(samples, np.float32)
