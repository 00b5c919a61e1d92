"""The wall clock jumps by a day, ahead and back: only what means a date follows it."""

import ssl
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks.operations.figures import Figure, Found, at_most, none_of
from benchmarks.operations.preload import Preload
from benchmarks.operations.stage import PATIENCE_S, Stage, failed, summary
from benchmarks.processes import cpu_seconds
from benchmarks.servers import Running
from loadtest.results import Results
from loadtest.target import Target
from service.access.keys import hash_key

DAY_S = 86_400.0
# by which the clock is wrong, one after the other; a minute more than a day, since
# what is signed for a day and expires with it is in doubt just then
JUMPS = (0.0, DAY_S + 60, -DAY_S - 60, 0.0)
HELD_S = 8.0  # each of them under load
PAID_S = 1.5  # after which a key may take at once what a second gives
IDLE_S = 4.0  # each of them without
IDLE_CORES = 0.1  # that an idle service may use at most
RATE, BURST = (
    5,
    20,
)  # requests/s of a key that has little, and how many it sends at once
VOTES: dict[str, dict[str, str]] = {"votes": {}}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen while the clock was wrong by so much."""

    wrong_by_s: float
    short: int  # the status that the key got which expires in twelve hours
    slow: Counter[int]  # statuses of `BURST` requests at once with the slow key
    retry_after_s: float  # the longest that those were told
    deadline: int  # the status of a request with a deadline of a minute


def clock_jump(stage: Stage) -> Found:
    """Let the clock jump under load, without load, and under TLS."""
    artifacts, clock = stage.link("digits", "party", "mammogram"), Preload(stage.folder)
    keys = stage.folder / "keys.toml"
    expires = datetime.now(UTC) + timedelta(hours=12)
    keys.write_text(
        _describe_key("load")
        + _describe_key("short", f"expires = {expires:%Y-%m-%dT%H:%M:%SZ}")
        + _describe_key("slow", f"requests_per_s = {RATE}")
    )
    seen = list[Seen]()
    with stage.serving(
        artifacts, {"api_keys": keys}, environment=clock.environment
    ) as service:

        def jump() -> None:
            for wrong_by_s in JUMPS:
                clock.set_clock(wrong_by_s)
                time.sleep(max(PAID_S, stage.scale * HELD_S))
                seen.append(_look(service, wrong_by_s))

        load = replace(stage.light(service.url(), 600), api_key="load")
        during, _ = stage.meanwhile(load, jump)
        idle = max(_idle(service, clock, wrong, stage.scale) for wrong in JUMPS)
        restarts = (
            Target(service.url()).snapshot().total("servery_process_restarts_total")
        )
        errors = service.logged().count('"level":"error"')
    shaken = _handshakes(stage, clock)
    return Found(
        [
            *_judge(seen, during, idle),
            _judge_certificate(shaken),
            none_of("processes that were replaced", restarts),
            none_of("errors in the log", errors),
        ],
        {"failed": failed(during)},
    )


def _judge(seen: list[Seen], during: Results, idle: float) -> list[Figure]:
    short = {each.wrong_by_s: each.short for each in seen}
    taken = [each.slow[200] for each in seen]
    total = {status for each in seen for status in each.slow}
    statuses = [short[wrong_by_s] for wrong_by_s in JUMPS[:3]]
    return [
        Figure("requests while it jumped a day ahead and two back", len(during)),
        none_of("of those, failed", sum(failed(during).values())),
        Figure("p99, ms", 1000 * summary(during).percentile(99)),
        Figure(
            "a key that expires in twelve hours, by the clock right, ahead, back",
            ", ".join(map(str, statuses)),
            "200, 401, 200",
            statuses == [200, 401, 200],
        ),
        Figure(
            f"of {BURST} requests at once, answered to a key of {RATE}/s",
            f"{min(taken)} to {max(taken)}",
            f"{RATE} to {2 * RATE}, the rest 429",
            min(taken) >= RATE and max(taken) <= 2 * RATE and total <= {200, 429},
        ),
        at_most(
            "longest Retry-After that they were told, s",
            max(each.retry_after_s for each in seen),
            2,
        ),
        none_of(
            "requests with a deadline of a minute that missed it",
            sum(each.deadline != 200 for each in seen),
        ),
        at_most("cores that an idle service used, at most", idle, IDLE_CORES),
    ]


def _judge_certificate(shaken: dict[float, bool]) -> Figure:
    words = ", ".join("taken" if shaken[each] else "refused" for each in JUMPS[:3])
    expected = "taken, refused, refused"
    what = "a caller's certificate for a day, by the clock right, ahead, back"
    return Figure(what, words, expected, words == expected)


def _look(service: Running, wrong_by_s: float) -> Seen:
    def ask(key: str, **headers: str) -> httpx.Response:
        return client.post(
            "/v1/predict/party", json=VOTES, headers={"x-api-key": key, **headers}
        )

    with httpx.Client(
        base_url=service.url(), trust_env=False, timeout=PATIENCE_S
    ) as client:
        burst = [ask("slow") for _ in range(BURST)]
        waits = [float(each.headers.get("retry-after", 0)) for each in burst]
        return Seen(
            wrong_by_s=wrong_by_s,
            short=ask("short").status_code,
            slow=Counter(each.status_code for each in burst),
            retry_after_s=max(waits),
            deadline=ask("load", **{"x-request-timeout-ms": "60000"}).status_code,
        )


def _idle(service: Running, clock: Preload, wrong_by_s: float, scale: float) -> float:
    """Cores that it uses while nobody asks and the clock is wrong."""
    clock.set_clock(wrong_by_s)
    before, began = cpu_seconds(service.process.pid), time.monotonic()
    time.sleep(max(1.0, scale * IDLE_S))
    used_s = cpu_seconds(service.process.pid) - before
    return used_s / (time.monotonic() - began)


def _handshakes(stage: Stage, clock: Preload) -> dict[float, bool]:
    """Whether a service with TLS takes a caller's certificate, by the clock's error."""
    certificate, key = _certify(stage.folder)
    context = ssl.create_default_context(cafile=certificate)
    context.load_cert_chain(certificate, key)
    files = {"certificate": certificate, "key": key, "client_ca": certificate}
    told = {f"tls_{name}": path for name, path in files.items()}
    clock.set_clock(0)
    shaken = {}
    with stage.serving(
        stage.artifacts, told, environment=clock.environment, tls=context
    ) as service:
        for wrong_by_s in JUMPS[:3]:
            clock.set_clock(wrong_by_s)
            shaken[wrong_by_s] = _is_taken(service.url("/livez"), context)
    return shaken


def _is_taken(url: str, context: ssl.SSLContext) -> bool:
    try:
        return httpx.get(url, verify=context, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _certify(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, of this machine, for a day; and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command: list[str | Path] = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=drill", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", key, "-out", certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def _describe_key(name: str, limit: str = "") -> str:
    """Of a key that is its own name."""
    digest = hash_key(name.encode()).hex()
    return f'[keys.{name}]\nsha256 = "{digest}"\n{limit}\n'
