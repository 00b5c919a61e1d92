"""Sources that hold a data set in another form than ours, and how it becomes ours.

Small tables go round in many forms: with other line ends, as ARFF, with the columns in
another order. Each is brought to one form of ours, and its SHA-256 is taken of that.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from training.datasets.fetch import Source, SourceFailed


@dataclass(frozen=True, slots=True)
class Folder:
    """Files that lie in a folder already.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.path)

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Read the named files."""
        try:
            return {name: (self.path / name).read_bytes() for name in names}
        except OSError as error:
            raise SourceFailed(f"{self.path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Converted:
    """A source of one file in another form, converted as it comes.

    Attributes:
        source: where the other form is to be had.
        original: its file's name there.
        convert: takes its bytes, gives ours; raises ValueError where it cannot.
    """

    source: Source
    original: str
    convert: Callable[[bytes], bytes]

    @property
    def name(self) -> str:
        """The source's own name."""
        return self.source.name

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Bring the file and convert it, whatever one name it is wanted by."""
        content = self.source.fetch([self.original])[self.original]
        try:
            return {name: self.convert(content) for name in names}
        except ValueError as error:
            raise SourceFailed(f"{self.name}: {self.original}: {error}") from error


def find_original(
    folder: Path, original: str, convert: Callable[[bytes], bytes]
) -> tuple[Source, ...]:
    """Make a source of the original form, if the user has put it into `folder`."""
    if not (folder / original).is_file():
        return ()
    return (Converted(Folder(folder), original, convert),)


def with_header(header: str) -> Callable[[bytes], bytes]:
    """Make a conversion that trims lines, drops empty ones and puts `header` on top."""

    def convert(content: bytes) -> bytes:
        lines = [line.strip() for line in content.decode("ascii").splitlines()]
        return write_lines([header, *(line for line in lines if line)])

    return convert


def write_lines(lines: Iterable[str]) -> bytes:
    """Give ASCII text, each line ended by a line feed."""
    return "".join(f"{line}\n" for line in lines).encode("ascii")
