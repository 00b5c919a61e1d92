"""A wall clock that jumps and a disk that answers late, for one service alone.

`preload.c` is compiled where it is used, and preloaded: no clock of the machine moves,
no disk of it is touched, and nobody has to be root.
"""

import mmap
import shutil
import subprocess
from pathlib import Path

from benchmarks.servers import ServerError

SOURCE = Path(__file__).with_name("preload.c")
SECOND_NS = 1_000_000_000
NUMBERS = 3  # int64: the wall clock's error, of a call, and of a byte


class Preload:
    """What is said to services that were started in `environment`.

    Args:
        folder: For the library, and for what is said.
        slow: Files below it are slow when there is said so.
    """

    def __init__(self, folder: Path, slow: Path | None = None):
        library, says = folder / "preload.so", folder / "says"
        if shutil.which("gcc") is None:
            raise ServerError("gcc is not installed. Debian: apt-get install gcc")
        options = ("-O2", "-shared", "-fPIC")
        words = "gcc", *options, "-o", str(library), str(SOURCE), "-ldl"
        subprocess.run(words, check=True)
        says.write_bytes(bytes(8 * NUMBERS))
        with says.open("r+b") as file:
            self._says = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self.environment = {"LD_PRELOAD": str(library), "DRILL_SAYS": str(says)}
        if slow is not None:
            self.environment["DRILL_FOLDER"] = str(slow.resolve())

    def set_clock(self, wrong_by_s: float) -> None:
        """From now on the wall clock is wrong by so much."""
        self._says[0] = round(wrong_by_s * SECOND_NS)

    def set_disk(self, call_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        """From now on each call takes so long, and reading has this speed; 0: at once.

        Reads are only slow where calls are.
        """
        self._says[2] = round(SECOND_NS / bytes_per_s) if bytes_per_s else 0
        self._says[1] = round(call_s * SECOND_NS)
