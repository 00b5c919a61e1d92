"""Lines of the log, as whoever reads it gets them, or does not."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.logs import AccessLog, LogWriter
from tests.e2e.server import until

LINE = b'{"message": "something has happened"}\n'


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe that holds 4 KB."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    os.close(ends[0])


class Drops:
    """Counts lines that were dropped."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self, lines: int) -> None:
        self.lines += lines


def test_requests_are_logged_in_one_write_each_with_its_own_time(
    pipe: tuple[int, int],
) -> None:
    times = [1_790_000_000.9994, 1_790_000_000.9996, 1_790_000_001.0, 0.001]
    log = AccessLog("http-0", LogWriter(pipe[1], 10_000, Drops()))
    log.write({"time": each, "code": None} for each in times)
    lines = [json.loads(line) for line in os.read(pipe[0], 4096).splitlines()]
    assert [line.pop("time") for line in lines] == [
        datetime.fromtimestamp(each, UTC).isoformat(timespec="milliseconds")
        for each in times
    ]
    same = {"level": "info", "process": "http-0", "message": "request"}
    assert lines == [same] * len(times)


def test_a_pipe_that_nobody_reads_stops_nobody(pipe: tuple[int, int]) -> None:
    drops = Drops()
    writer = LogWriter(pipe[1], 1_000, drops)
    began = time.monotonic()
    for _ in range(10_000):
        writer.write(LINE)
    writer.flush(0.1)
    assert time.monotonic() - began < 5
    assert drops.lines > 9_000


def test_what_is_dropped_is_counted_and_what_is_written_is_whole(
    pipe: tuple[int, int],
) -> None:
    drops = Drops()
    writer = LogWriter(pipe[1], 1_000, drops)
    for _ in range(1_000):
        writer.write(LINE * 3)
    dropped = drops.lines
    read = b""
    while read.count(b"\n") < 3_000 - dropped:
        read += os.read(pipe[0], 4096)
    assert set(read.splitlines(keepends=True)) == {LINE}
    assert read.count(b"\n") + dropped == 3_000
    writer.write(LINE)
    assert os.read(pipe[0], 4096) == LINE


def test_a_pipe_whose_reader_is_gone_drops_all() -> None:
    ends = os.pipe()
    os.close(ends[0])
    drops = Drops()
    writer = LogWriter(ends[1], 1_000, drops)
    writer.write(LINE)
    until(lambda: drops.lines == 1)
    writer.write(LINE)
    until(lambda: drops.lines == 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_drops_all() -> None:
    drops = Drops()
    writer = LogWriter(os.open("/dev/full", os.O_WRONLY), 1_000, drops)
    writer.write(LINE * 2)
    until(lambda: drops.lines == 2)


def test_after_a_line_that_was_torn_the_next_one_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = b""

    def write(fd: int, data: memoryview) -> int:
        nonlocal written
        if len(written) == 10:
            written += b"|"
            raise OSError(28, "No space left on device")
        part = data[:10] if not written else data
        written += part
        return len(part)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        writer = LogWriter(1, 1_000, Drops())
        writer.write(LINE)
        writer.flush(5)
        writer.write(LINE)
        writer.flush(5)
    assert written == LINE[:10] + b"|" + b"\n" + LINE
