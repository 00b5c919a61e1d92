"""The load generator: wrk, because a client in Python would be slower than the servers.

It is a closed loop: each connection sends its next request when the last is answered.
"""

import json
import resource
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
INSTALL = (
    "wrk, the load generator, is not installed. Debian and Ubuntu: apt-get install "
    "wrk. Homebrew: brew install wrk. Source: https://github.com/wg/wrk"
)


class LoadError(RuntimeError):
    """wrk is missing, or measured nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load gave; of a bare model, requests are rows and latencies of calls."""

    requests: int  # that were answered, refusals among them
    seconds: float  # that it took
    # half of them took at most so many milliseconds; p99 alike. wrk adds for a
    # connection that stalled the requests that it would have sent
    p50_ms: float
    p99_ms: float  # see there
    # by kind, only what happened: `status` is 400 and above, `timeout` an answer
    # after more than 2 s; `connect`, `read`, `write` of the socket
    errors: dict[str, int]
    client_cpu_s: float = 0.0  # CPU seconds of wrk itself
    server_cpu_s: float = 0.0  # CPU seconds of the server's processes

    @property
    def good(self) -> int:
        """Requests that were answered with what they asked for."""
        return self.requests - self.errors.get("status", 0)

    @property
    def rate(self) -> float:
        """Good requests a second."""
        return self.good / self.seconds

    @property
    def cpu_ms(self) -> float:
        """The server's CPU milliseconds for a good request."""
        return 1000 * self.server_cpu_s / max(1, self.good)


def require_wrk() -> str:
    """Where wrk is."""
    program = shutil.which("wrk")
    if program is None:
        raise LoadError(INSTALL)
    return program


def run_load(
    url: str,
    bodies: Path,
    media_type: str,
    *,
    connections: int,
    seconds: int,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """POST the bodies in a folder in turn, on so many connections for so long."""
    more = [part for pair in (headers or {}).items() for part in pair]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = sum(1 for _ in bodies.iterdir())
    done = subprocess.run(
        [
            *(require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s"),
            *("-s", str(SCRIPT), url, "--", str(bodies), str(count), media_type, *more),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        raise LoadError(f"wrk failed at {url}: {done.stderr or done.stdout}")
    return parse_load(done.stdout, client_cpu_s=cpu_s)


def parse_load(output: str, *, client_cpu_s: float) -> Load:
    """Read what wrk printed; its last line is our script's."""
    last = output.rstrip().rpartition("\n")[2]
    try:
        facts = json.loads(last)
    except ValueError as error:
        raise LoadError(f"wrk: expected JSON last, received {last!r}") from error
    if not facts["requests"]:
        raise LoadError(f"nothing was answered; errors: {facts['errors']}")
    facts["errors"] = {kind: count for kind, count in facts["errors"].items() if count}
    return Load(**facts, client_cpu_s=client_cpu_s)
