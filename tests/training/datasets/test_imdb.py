"""The reviews are read in their original halves, or not at all."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import Site
from training.datasets import imdb
from training.datasets.fetch import CorruptedData, DataUnavailable, Website

# In the file's order: test negative, train negative, test positive, train positive.
TEXTS = ["Awful é.", "Bad.", "Dull.", "Bad.", "Fine!", "Good.", "Great.", "Superb."]
CONTENT = json.dumps(
    [{"t": text, "s": int(row >= 4)} for row, text in enumerate(TEXTS)],
    ensure_ascii=False,
    separators=(",", ":"),
).encode()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The few reviews above pass for the data set."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(imdb, "SHA256", {imdb.FILE: digest})


def make_archive() -> bytes:
    """The reviews above as their authors would pack them, in no order."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for row, text in reversed(list(enumerate(TEXTS))):
            name = f"aclImdb/{imdb.PARTS[row // 2]}/{row % 2}_7.txt"
            _add(archive, name, text.encode())
        _add(archive, "aclImdb/README", b"Large Movie Review Dataset")
        _add(archive, "aclImdb/train/unsup/0_0.txt", b"No opinion.")
    return file.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_a_local_file_is_read_in_its_halves(tmp_path: Path, known: None) -> None:
    (tmp_path / "imdb").mkdir()
    (tmp_path / "imdb" / imdb.FILE).write_bytes(CONTENT)

    data = imdb.load(tmp_path, sources=())

    assert list(data.test.texts) == ["Awful é.".encode(), b"Bad.", b"Fine!", b"Good."]
    assert list(data.train.texts) == [b"Dull.", b"Bad.", b"Great.", b"Superb."]
    np.testing.assert_array_equal(data.test.labels, [0, 0, 1, 1])
    np.testing.assert_array_equal(data.train.labels, [0, 0, 1, 1])


def test_the_authors_archive_gives_the_same_file(
    tmp_path: Path, site: Site, known: None
) -> None:
    (site.folder / "reviews.tar.gz").write_bytes(make_archive())
    source = imdb.Archive(Website(site.url, ".tar.gz"), "reviews")

    data = imdb.load(tmp_path, sources=(source,))

    assert len(data.train) == 4
    assert (tmp_path / "imdb" / imdb.FILE).read_bytes() == CONTENT


def test_a_page_in_place_of_the_archive_is_not_taken(
    tmp_path: Path, site: Site
) -> None:
    (site.folder / "reviews.tar.gz").write_bytes(b"<html>Moved</html>")
    source = imdb.Archive(Website(site.url, ".tar.gz"), "reviews")

    with pytest.raises(DataUnavailable, match="not an archive"):
        imdb.load(tmp_path, sources=(source,))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "imdb").mkdir()
    (tmp_path / "imdb" / imdb.FILE).write_bytes(CONTENT)

    with pytest.raises(CorruptedData, match=r"reviews\.json"):
        imdb.load(tmp_path)


def test_without_files_and_sources_the_user_is_told_which_to_bring(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataUnavailable) as caught:
        imdb.load(tmp_path, sources=())

    assert imdb.FILE in str(caught.value)
    assert str(tmp_path / "imdb") in str(caught.value)


def test_a_file_in_another_order_is_refused() -> None:
    shuffled = json.dumps([{"t": "a", "s": 1}, {"t": "b", "s": 0}] * 2).encode()

    with pytest.raises(ValueError, match="two quarters of dislikes"):
        imdb.parse_reviews(shuffled)


def test_repeated_texts_are_marked() -> None:
    def reviews(*texts: bytes) -> imdb.Reviews:
        return imdb.Reviews(
            np.array(texts, dtype=object), np.zeros(len(texts), np.int64)
        )

    marked = imdb.mark_repeated(reviews(b"a", b"b", b"a", b"c"), reviews(b"c", b"d"))

    np.testing.assert_array_equal(marked, [False, False, True, True])
