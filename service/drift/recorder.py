"""Writes down what models are asked and answer, from a thread that nobody waits for."""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from service.drift.files import Bounds, ModelFiles
from service.drift.monitor import Outcome
from service.drift.rows import to_lines
from service.engine.batching.tensors import Tensors, count_rows
from service.metrics import Metrics
from service.settings import Settings

logger = logging.getLogger(__name__)

MOST_CALLS = 256  # that wait to be written
MOST_BYTES = 64 * 1024 * 1024  # of their tensors
SILENT_S = 60.0  # between two lines of the log about the same trouble
END_S = 1.0  # that a process waits for it at its end


class Files(Protocol):
    """Where lines go: `ModelFiles`, or a stand-in."""

    def append(self, model: str, lines: Sequence[bytes]) -> int:
        """See `ModelFiles.append`."""


Waiting = tuple[float, str, Outcome, int]


class Recorder:
    """Records calls in bounded files.

    What comes faster than it is written is dropped, and what the disk refuses is lost:
    both are counted.

    Args:
        files: Where.
        metrics: Where rows are counted.
        raw: Whether pictures, sounds and texts are recorded whole.
        clock: Gives Unix time.
    """

    def __init__(
        self,
        files: Files,
        metrics: Metrics,
        *,
        raw: bool = False,
        clock: Callable[[], float] = time.time,
    ):
        self._files, self._metrics, self._raw = files, metrics, raw
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._said = -SILENT_S
        threading.Thread(target=self._work, name="drift", daemon=True).start()

    def record(self, request_id: str, outcome: Outcome) -> None:
        """Write a call down soon, or drop it; never waits."""
        size = _count_bytes(outcome)
        with self._changed:
            has_room = (
                len(self._waiting) < MOST_CALLS
                and self._waiting_bytes + size <= MOST_BYTES
            )
            if has_room:
                self._waiting.append((self._clock(), request_id, outcome, size))
                self._waiting_bytes += size
                self._changed.notify_all()
        if not has_room:
            self._count(outcome, "dropped", _rows(outcome))

    def flush(self, timeout_s: float) -> None:
        """Wait until all is written, but no longer than so."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def close(self) -> None:
        """Write what waits, as far as that is quick, and end."""
        self.flush(END_S)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                calls = list(self._waiting)
            self._write(calls)
            with self._changed:
                for _ in calls:
                    self._waiting_bytes -= self._waiting.popleft()[3]
                self._changed.notify_all()

    def _write(self, calls: list[Waiting]) -> None:
        by_model: defaultdict[str, list[bytes]] = defaultdict(list)
        for seconds, request_id, outcome, _ in calls:
            try:
                lines = list(to_lines(seconds, request_id, outcome, raw=self._raw))
            except Exception as error:  # noqa: BLE001 - whatever a model gave
                self._count(outcome, "failed", _rows(outcome))
                self._complain(error)
                continue
            if outcome.contract is not None:
                by_model[outcome.contract.name] += lines
        for model, lines in by_model.items():
            self._append(model, lines)

    def _append(self, model: str, lines: list[bytes]) -> None:
        counter = self._metrics.drift_rows
        try:
            dropped = self._files.append(model, lines)
        except Exception as error:  # noqa: BLE001 - this thread is the only one
            counter.labels(model, "failed").inc(len(lines))
            self._complain(error)
            return
        counter.labels(model, "recorded").inc(len(lines) - dropped)
        if dropped:
            counter.labels(model, "dropped").inc(dropped)

    def _count(self, outcome: Outcome, what: str, rows: int) -> None:
        if outcome.contract is not None:
            self._metrics.drift_rows.labels(outcome.contract.name, what).inc(rows)

    def _complain(self, error: Exception) -> None:
        """Say it, now and then: there may be a thousand a second."""
        now = time.monotonic()
        if now - self._said >= SILENT_S:
            self._said = now
            logger.warning("what models are asked is not written down: %s", error)


def start_recording(
    process: str, settings: Settings, metrics: Metrics
) -> Recorder | None:
    """What writes down for this process, if the settings ask for it."""
    folder: Path | None = settings.drift_folder
    if not settings.drift_share or folder is None:
        return None
    processes = settings.number_of_http_processes()
    bounds = Bounds.of(settings.max_drift_bytes, settings.max_drift_rows, processes)
    files = ModelFiles(folder.expanduser(), process, bounds, processes)
    return Recorder(files, metrics, raw=settings.drift_raw)


def _rows(outcome: Outcome) -> int:
    return count_rows(outcome.inputs or ())


def _count_bytes(outcome: Outcome) -> int:
    tensors: Tensors = (*(outcome.inputs or ()), *outcome.outputs)
    return sum(
        sum(map(len, each.ravel().tolist())) if each.dtype == object else each.nbytes
        for each in tensors
    )
