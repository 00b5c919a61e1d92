"""What every drill gets: services of its own, a client, and what to do under load."""

import json
import os
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.operations.overload import load_at
from benchmarks.servers import Running, running
from benchmarks.subjects import ARTIFACTS, servery
from loadtest.arrivals import constant
from loadtest.load import Load, Mix
from loadtest.results import OK, Results
from loadtest.summary import Summary, Window, summarise
from loadtest.workers import Workers
from service.contract.manifest import DIGEST, FILENAME

LIGHT = {"digits": 0.6, "party": 0.2, "mammogram": 0.2}
LIGHT_SHARE = 0.3
PATIENCE_S = 60.0  # with an answer: on a slow machine it is late, and not missing
LONG_S = 1800.0  # of a load that ends when something is done
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a drill takes place."""

    folder: Path  # for its files, empty at its start
    workers: Workers  # the client
    limit: float  # requests/s of digits that hold the objective
    scale: float = 1.0  # of all durations and counts
    cores: frozenset[int] = frozenset(range(os.cpu_count() or 1))  # the client's

    @property
    def artifacts(self) -> Path:
        """What services of this drill serve, where they do not serve everything."""
        return self.folder / "artifacts"

    def link(self, *models: str) -> Path:
        """Put shipped models there as they are."""
        self.artifacts.mkdir(exist_ok=True)
        for name in models:
            (self.artifacts / name).symlink_to(ARTIFACTS / name)
        return self.artifacts

    @contextmanager
    def serving(
        self,
        artifacts: Path,
        settings: Mapping[str, object] | None = None,
        *,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Iterator[Running]:
        """A service that is ready, and ends with the block.

        Args:
            artifacts: What it serves.
            settings: `{"poll_seconds": 0.2}` and the like.
            before: Words before those of its command.
            environment: Variables beside its settings.
            tls: What its callers need, where it speaks TLS.
        """
        told = dict(environment or {})
        for name, value in (settings or {}).items():
            told[f"SERVERY_{name.upper()}"] = str(value)
        server, _ = servery(artifacts, environment=told)
        server = replace(server, command=(*before, *server.command), tls=tls)
        with running(server, self.folder) as started:
            yield started

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Services that are started in the block share the client's cores."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, before | self.cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def light(self, url: str, seconds: float, mix: Mix | None = None) -> Load:
        """Three tenths of the limit, of small models: what leaves a service room.

        Without a deadline of its own: what is slow shows in latencies, not as failed.
        """
        rates = constant(LIGHT_SHARE * self.limit, seconds)
        load = load_at(url, rates, mix=mix or LIGHT)
        return replace(load, deadline_s=None, timeout_s=PATIENCE_S)

    def alone(self, load: Load) -> Results:
        """Send a load to its end."""
        return self.workers.run(load, lambda *_: None).results

    def meanwhile(self, load: Load, act: Callable[[], T]) -> tuple[Results, T]:
        """Send a load until something has been done, or it is over.

        It is done when the load has been on for about a second.
        """
        begun = threading.Event()

        def act_and_stop() -> T:
            begun.wait()
            try:
                return act()
            finally:
                self.workers.stop()

        with self.aside() as pool:
            acting: Future[T] = pool.submit(act_and_stop)
            try:
                outcome = self.workers.run(load, lambda *_: begun.set())
            finally:
                begun.set()
            return outcome.results, acting.result()

    def aside(self) -> ThreadPoolExecutor:
        """A thread on the client's cores."""
        return ThreadPoolExecutor(1, initializer=self._move)

    def _move(self) -> None:
        os.sched_setaffinity(0, self.cores)  # of this thread alone


def summary(results: Results) -> Summary:
    """All of it."""
    end_s = float(results.intended_s.max()) + 1e-9 if len(results) else 1.0
    return summarise(results, Window(0, end_s), None)


def failed(results: Results) -> dict[str, int]:
    """What was not answered 200, by what became of it."""
    return {kind: count for kind, count in results.counts().items() if kind != OK}


def publish(source: Path, home: Path, version: int) -> Path:
    """Put a version beside others of its model, under a number of its own."""
    draft = home / f".{version}"
    shutil.copytree(source, draft)
    manifest = json.loads((draft / FILENAME).read_text("utf-8"))
    manifest["version"] = version
    (draft / FILENAME).write_text(json.dumps(manifest), encoding="utf-8")
    (draft / DIGEST).unlink(missing_ok=True)  # it was that of the other manifest
    return draft.rename(home / str(version))
