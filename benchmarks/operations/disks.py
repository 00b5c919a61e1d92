"""A disk that answers late while a version is loaded from it, and one that is full."""

import errno
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.operations.figures import Figure, Found, at_most, none_of
from benchmarks.operations.preload import Preload
from benchmarks.operations.signals import children
from benchmarks.operations.stage import PATIENCE_S, Stage, failed, publish, summary
from benchmarks.servers import Running, wait_for
from benchmarks.subjects import ARTIFACTS
from loadtest.target import Target
from loadtest.workloads import MULTIPART, WORKLOADS, ImageForm, encode

QUIET_S = 15.0  # of load before anything happens
CALL_S, BYTES_PER_S = 0.02, 4e6  # a disk of a network that has seen better days
LARGE_BYTES = 12_000_000
DISK = "4m"  # the small disk, as mount has it
BODY_BYTES = 8_000_000  # of a form; what stands behind a picture is not looked at
FULL_S = 15.0  # for which it is full
# "$0" is where it is mounted, in a namespace of the service's own: no root is needed
MOUNT = (
    'mount -t tmpfs -o size=%s tmpfs "$0" && mkdir "$0/tmp" && '
    'exec "$@" > "$0/log" 2>&1'
)


def slow_disk(stage: Stage) -> Found:
    """Load a version of 12 MB from a disk that answers late; others are asked."""
    artifacts = stage.link("digits", "party", "mammogram")
    large = _write_large(stage.folder / "large")
    slow = Preload(stage.folder, artifacts)
    with stage.serving(artifacts, environment=slow.environment) as service:
        calm = stage.alone(stage.light(service.url(), stage.scale * QUIET_S))

        def load_large() -> float:
            slow.set_disk(CALL_S, BYTES_PER_S)
            began = time.monotonic()
            large.rename(artifacts / "large")
            wait_for(lambda: _serves(service, "large"), "large being ready")
            return time.monotonic() - began

        during, took_s = stage.meanwhile(stage.light(service.url(), 600), load_large)
        mapped = _mapped(service, artifacts)
    before, meanwhile = summary(calm), summary(during)
    return Found(
        [
            Figure("the disk: a call, ms", 1000 * CALL_S),
            Figure("the disk: MB/s", BYTES_PER_S / 1e6),
            Figure("the version, MB", LARGE_BYTES / 1e6),
            Figure("from its folder being there to ready, s", took_s),
            Figure("requests to others meanwhile", len(during)),
            none_of("of those, failed", sum(failed(during).values())),
            Figure("p99 of others before, ms", 1000 * before.percentile(99)),
            Figure("p99 of others meanwhile, ms", 1000 * meanwhile.percentile(99)),
            Figure("longest of others meanwhile, ms", 1000 * meanwhile.percentile(100)),
            none_of(
                "files of models that are mapped, whose pages were not slow", mapped
            ),
        ],
        {"failed": failed(during)},
    )


def full_disk(stage: Stage) -> Found:
    """Fill the disk of the log, the cache and temporary files; then make room."""
    artifacts, disk = stage.link("party"), stage.folder / "disk"
    disk.mkdir()
    publish(ARTIFACTS / "digits" / "1", artifacts / "digits", 1)
    before = ("unshare", "-rm", "sh", "-c", MOUNT % DISK, str(disk))
    told = {"TMPDIR": str(disk / "tmp")}
    settings = {"cache": disk / "cache", "poll_seconds": 0.5}
    with stage.serving(artifacts, settings, before=before, environment=told) as service:
        seen = Path(f"/proc/{service.process.pid}/root{disk}")
        url = service.url()

        def fill_and_publish() -> float:
            with full(seen):
                began = time.monotonic()
                publish(ARTIFACTS / "digits" / "1", artifacts / "digits", 2)
                wait_for(lambda: _answers(service) == 2, "digits 2")
                took_s = time.monotonic() - began
                time.sleep(max(0.0, stage.scale * FULL_S - took_s))
            return took_s

        mix = {"digits": 0.7, "party": 0.3}
        during, took_s = stage.meanwhile(stage.light(url, 600, mix), fill_and_publish)
        dropped = _dropped(service)
        logged_s = _until_logged(service, seen / "log")
        with full(seen):
            large = _large_form(service)
            again_s = _kill_engine(service)
        lines = (seen / "log").read_text("utf-8", "replace").splitlines()
        torn = sum(not _is_whole(line) for line in lines)
        lost = _dropped(service) - dropped
    return Found(
        [
            Figure("the disk of log, cache and temporary files, MiB", DISK[:-1]),
            Figure("requests while it was full", len(during)),
            none_of("of those, failed", sum(failed(during).values())),
            Figure("p99, ms", 1000 * summary(during).percentile(99)),
            Figure("a version that came then answered after, s", took_s),
            Figure(
                *("log lines dropped and counted", dropped, "more than 0", dropped > 0)
            ),
            at_most("with room again, logged after, s", logged_s, 1),
            Figure("lines of the log that were cut, of all", f"{torn} of {len(lines)}"),
            none_of("bodies of 8 MB that failed while it was full", large),
            Figure("engine killed while it was full: ready again after, s", again_s),
            Figure("log lines dropped meanwhile", lost),
        ],
        {"failed": failed(during)},
    )


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left on this disk within the block."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as filler:
        for size in (65536, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        try:
            yield
        finally:
            file.unlink()


def _until_logged(service: Running, log: Path) -> float:
    """Seconds until a request is logged again."""
    began = time.monotonic()

    def is_logged() -> bool:
        headers = {"x-request-id": "there-is-room"}
        httpx.get(service.url("/v1/models"), headers=headers, trust_env=False)
        return b"there-is-room" in log.read_bytes()

    wait_for(is_logged, "a line in the log")
    return time.monotonic() - began


def _large_form(service: Running) -> int:
    """Send ten large forms with a picture; how many are not answered 200."""
    digit = WORKLOADS["digits"].make(("digits",), ImageForm.RAW)[0].content
    picture = digit + bytes(BODY_BYTES)
    form, url = encode(picture, ImageForm.MULTIPART), "/v1/predict/digits"
    headers = {"content-type": MULTIPART}
    with httpx.Client(
        base_url=service.url(), trust_env=False, timeout=PATIENCE_S
    ) as client:
        asked = [
            client.post(url, content=form.content, headers=headers) for _ in range(10)
        ]
    return sum(not each.is_success for each in asked)


def _kill_engine(service: Running) -> float:
    """Kill -9 of the engine: seconds until another one serves."""
    (victim,), began = children(service, "service.engine"), time.monotonic()
    os.kill(victim, signal.SIGKILL)
    wait_for(
        lambda: children(service, "service.engine") not in ([victim], []), "engine"
    )
    wait_for(service.is_ready, "readiness")
    return time.monotonic() - began


def _answers(service: Running) -> int:
    """The version of digits that answers."""
    catalog = httpx.get(service.url("/v1/models/digits"), trust_env=False).json()
    return int(catalog["default_version"] or 0)


def _serves(service: Running, model: str) -> bool:
    return model in Target(service.url()).ready_models()


def _dropped(service: Running) -> float:
    return Target(service.url()).snapshot().total("servery_log_lines_dropped_total")


def _is_whole(line: str) -> bool:
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def _mapped(service: Running, folder: Path) -> int:
    """How many files below a folder the service's processes have mapped."""
    return sum(
        f"{folder.resolve()}/" in Path(f"/proc/{pid}/maps").read_text()
        for pid in children(service, "")
    )


def _write_large(folder: Path) -> Path:
    """A model with a version of `LARGE_BYTES`, as TensorFlow saves it."""
    from benchmarks.synthetic import write_large  # TensorFlow, which takes seconds

    write_large(folder / "1", LARGE_BYTES // 4)
    return folder
