"""The spoken digits: archives made by hand, for the data set's own is not shipped."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.datasets import spoken
from training.datasets.fetch import CorruptedData, DataUnavailable


def archive(folder: str = "", rate: int = 8000, **also: bytes) -> bytes:
    """Two recordings, and files beside them."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as writer:
        contents = {f"{folder}{name}": content for name, content in also.items()}
        for name, length in (("7_ann_12", 30), ("0_ben_3", 20)):
            sound = io.BytesIO()
            soundfile.write(sound, np.full(length, 0.5), rate, format="WAV")
            contents[f"{folder}recordings/{name}.wav"] = sound.getvalue()
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), len(folder)
            writer.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def test_names_say_what_is_said_by_whom() -> None:
    found = spoken.parse(spoken.rewrite_archive(archive()))

    assert (found.digits.tolist(), found.speakers.tolist()) == ([0, 7], ["ben", "ann"])
    assert found.numbers.tolist() == [3, 12]
    assert [len(each) for each in found.samples] == [20, 30]
    assert found.pick(found.digits == 7).speakers.tolist() == ["ann"]


def test_every_archive_of_the_same_recordings_becomes_the_same() -> None:
    other = gzip.compress(archive("fsdd-1.0/", README=b"text"))

    assert spoken.rewrite_archive(other) == spoken.rewrite_archive(archive())


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a tar archive"):
        spoken.rewrite_archive(b"<html>not found</html>")


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one channel of 8000 samples"):
        spoken.parse(spoken.rewrite_archive(archive(rate=16_000)))


def test_without_a_copy_the_user_reads_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="Put these files"):
        spoken.load(tmp_path, ())


def test_other_recordings_in_the_users_folder_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "spoken").mkdir()
    (tmp_path / "spoken" / spoken.RECORDINGS).write_bytes(archive())

    with pytest.raises(CorruptedData):
        spoken.load(tmp_path)
