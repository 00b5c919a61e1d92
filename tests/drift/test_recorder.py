"""Requests never wait for what is written down, and are never told of its troubles."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.drift import recorder as recorders
from service.drift.files import Bounds, ModelFiles
from service.drift.recorder import Recorder, start_recording
from service.metrics import Metrics
from service.settings import Settings
from tests.drift.cases import Watching, contract, outcome, reference

WAIT_S = 10.0


class Disk:
    """In the place of `ModelFiles`: a disk that may hang, or be broken."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.broken: Exception | None = None
        self.lines: list[bytes] = []

    def append(self, model: str, lines: Sequence[bytes]) -> int:
        assert self.free.wait(WAIT_S)
        if self.broken is not None:
            raise self.broken
        self.lines += lines
        return 0


class Case:
    """A recorder that writes to such a disk, and what it counts."""

    def __init__(self, **more: Any) -> None:
        self.registry = CollectorRegistry()
        self.disk = Disk()
        self.recorder = Recorder(self.disk, Metrics(self.registry), **more)

    def counted(self, what: str) -> float:
        labels = {"model": "pets", "outcome": what}
        return self.registry.get_sample_value("servery_drift_rows_total", labels) or 0


def test_calls_are_written_in_the_order_they_came() -> None:
    case = Case()
    for row in range(3):
        case.recorder.record(f"id-{row}", outcome(contract(), np.eye(3)[[row]]))
    case.recorder.flush(WAIT_S)
    found = [json.loads(line) for line in case.disk.lines]
    assert [each["request_id"] for each in found] == ["id-0", "id-1", "id-2"]
    assert [each["label"] for each in found] == ["cat", "dog", "owl"]
    assert case.counted("recorded") == 3


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), OSError(5, "I/O error"), ValueError("?")],
    ids=str,
)
def test_a_broken_disk_loses_rows_and_nothing_else(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case()
    case.disk.broken = error
    for _ in range(5):
        case.recorder.record("id", outcome(contract(), np.eye(3)))
        case.recorder.flush(WAIT_S)
    case.disk.broken = None
    case.recorder.record("id", outcome(contract(), np.eye(3)))
    case.recorder.flush(WAIT_S)
    assert (case.counted("failed"), case.counted("recorded")) == (15, 3)
    said = [each for each in caplog.messages if "not written down" in each]
    assert len(said) == 1


def test_a_disk_that_hangs_holds_up_nobody_and_its_queue_is_bounded() -> None:
    case = Case()
    case.disk.free.clear()
    began = time.monotonic()
    for _ in range(recorders.MOST_CALLS + 100):
        case.recorder.record("id", outcome(contract(), np.eye(3)))
    assert time.monotonic() - began < WAIT_S / 2
    assert case.counted("dropped") >= 300
    case.disk.free.set()
    case.recorder.flush(WAIT_S)
    assert case.counted("recorded") + case.counted("dropped") == 3 * (
        recorders.MOST_CALLS + 100
    )


def test_large_calls_are_bounded_by_their_bytes() -> None:
    case = Case()
    case.disk.free.clear()
    large = np.zeros((1, 16 * 1024 * 1024), np.uint8)
    for _ in range(8):
        case.recorder.record("id", outcome(contract(), [[1, 0, 0]], large))
    assert case.counted("dropped") == 8 - recorders.MOST_BYTES // (large.nbytes + 12)
    case.disk.free.set()
    case.recorder.flush(WAIT_S)


def test_the_end_does_not_wait_for_a_disk_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorders, "END_S", 0.05)
    case = Case()
    case.disk.free.clear()
    case.recorder.record("id", outcome(contract(), np.eye(3)))
    case.recorder.close()
    case.disk.free.set()


def test_what_cannot_be_written_down_is_counted_and_the_next_one_is() -> None:
    case = Case()
    odd = outcome(contract(), [[1, 0, 0]])
    torn = outcome(contract(), [[1, 0, 0]], np.zeros((1, 2), np.dtype([("a", "V3")])))
    case.recorder.record("id", torn)
    case.recorder.record("id", odd)
    case.recorder.flush(WAIT_S)
    assert (case.counted("failed"), case.counted("recorded")) == (1, 1)


def test_a_clock_that_jumps_loses_nothing(tmp_path: Path) -> None:
    times = iter([2e9, 1e9, -1e18, float("inf"), 0.0])
    registry = CollectorRegistry()
    files = ModelFiles(tmp_path, "http-0", Bounds(10_000, 100), 1)
    recorder = Recorder(files, Metrics(registry), clock=times.__next__)
    for _ in range(5):
        recorder.record("id", outcome(contract(), [[1, 0, 0]]))
    recorder.flush(WAIT_S)
    content = (tmp_path / "pets" / "http-0.jsonl").read_text().splitlines()
    years = [json.loads(each)["time"][:4] for each in content]
    assert years == ["2033", "2001", "", "", "1970"]


def test_by_default_nothing_is_written_down(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    assert start_recording("http-0", Settings(), metrics) is None
    assert start_recording("http-0", Settings(drift_folder=tmp_path), metrics) is None


def test_a_share_without_a_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="drift_share: expected a drift_folder too"):
        Settings(drift_share=0.1)


def test_about_that_share_of_the_requests_is_written_down(tmp_path: Path) -> None:
    of = contract()
    chances = iter(np.linspace(0, 1, 100, endpoint=False))
    case = Case()
    watching = Watching(
        of,
        reference(of),
        share=0.25,
        recorder=case.recorder,
        chance=lambda: float(next(chances)),
    )
    for _ in range(100):
        watching.answers([[0.1, 0.8, 0.1]])
    case.recorder.flush(WAIT_S)
    assert case.counted("recorded") == 25
    assert watching.counted() == {"dog": 100}


def test_a_missing_folder_is_made_and_one_that_cannot_be_made_disturbs_nobody(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "new" / "folder", tmp_path / "file" / "below"):
        registry = CollectorRegistry()
        settings = Settings(drift_share=1, drift_folder=folder)
        recorder = start_recording("http-0", settings, Metrics(registry))
        assert recorder is not None
        recorder.record("id", outcome(contract(), np.eye(3)))
        recorder.close()
    (file,) = (tmp_path / "new" / "folder" / "pets").iterdir()
    assert file.name == "http-0.jsonl"
