"""The commands: `run` one test, `find-limit`, list the `workloads`."""

import json
import math
import os
import re
import sys
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from loadtest.arrivals import Arrivals, Profile, with_warmup
from loadtest.limit import MAX_IN_FLIGHT, LimitSearch
from loadtest.load import Load, check_ready, default_mix, parse_mix
from loadtest.objective import EXAMPLE, Objective, parse_objective
from loadtest.page import to_html
from loadtest.report import run_test, to_json
from loadtest.target import Target, is_local
from loadtest.text import show
from loadtest.workers import Workers
from loadtest.workloads import WORKLOADS, ImageForm
from servery.errors import InvalidInput
from servery.trust import Trust

WIDTH = 100  # of the tables, where there is no terminal to ask
RATE_OF_A_PROCESS = 600  # requests/s that one client process sends with ease
GROWTH = 4  # of the rate, where --to-rate does not say how far it goes
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def parse_duration(text: str) -> float:
    """Seconds, from 500ms, 10s, 2m or 1h, else BadParameter; a number is seconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"expected 500ms, 10s, 2m or 1h, received {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


TIME, CONDITIONS = (parse_duration, "TIME"), (parse_objective, "CONDITIONS")
FILE = click.Path(path_type=Path, dir_okay=False), "FILE"
CA = click.Path(exists=True, dir_okay=False)
CA_HELP = "File of whom to trust for https, in PEM.  [default: the system's]"
OWN_HELP = "File with a certificate and its key, for a service that asks for one."
RATE = click.FloatRange(0, min_open=True), "RATE"
COUNT, SHARE = click.IntRange(1, 10_000), click.FloatRange(0.005, 1)
CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}
MIX = str, "NAME=SHARE,…"
MIX_HELP = (
    "Which endpoints, in which proportions: digits=60,sentiment=20.  "
    "[default: all whose models are ready; see the command workloads]"
)
DEADLINE_HELP = (
    "When an answer becomes worthless and counts as no goodput. The service is told, "
    "by X-Request-Timeout-Ms."
)
AT_ONCE = "Open loop: requests beyond these are not sent but counted."
AS_NEEDED = "Client processes; 0 = one, or more where the rate asks for it."


def _option(names: str, kind: Any, default: Any, about: str) -> click.Option:
    """An option: `--name` or `--name argument`, a kind or a kind and its metavar."""
    kind, metavar = kind if isinstance(kind, tuple) else (kind, None)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        kind = click.Choice(kind, case_sensitive=False)
    more: Any = {"is_flag": True} if kind is bool else {"type": kind}
    more |= {"required": default is ..., "default": None if default is ... else default}
    return click.Option(names.split(), metavar=metavar, help=about, **more)


COMMON = [
    _option("--url", str, "http://127.0.0.1:8000", "The service."),
    _option("--allow-remote", bool, False, "Load another machine. Only your own!"),
    _option("--mix", MIX, None, MIX_HELP),
    _option("--images", ImageForm, "raw", "How pictures are sent."),
    _option("--warmup", TIME, "2s", "Time before the duration that is in no figure."),
    _option("--timeout", TIME, "10s", "When a request is given up."),
    _option("--deadline", TIME, None, DEADLINE_HELP),
    _option("--processes", click.IntRange(0, 64), 0, AS_NEEDED),
    _option("--seed", int, 0, "Of the times and order of requests."),
    click.Option(
        ["--api-key"], envvar="SERVERY_API_KEY", help="Better in the variable."
    ),
    click.Option(["--ca"], envvar="SERVERY_CA", type=CA, help=CA_HELP),
    click.Option(
        ["--certificate"], envvar="SERVERY_CLIENT_CERTIFICATE", type=CA, help=OWN_HELP
    ),
    _option("--json json_file", FILE, None, "Write every figure here."),
]
RUN = [
    _option("--connections", COUNT, None, "Closed loop: how many send.  [default: 32]"),
    _option("--rate", RATE, None, "Open loop: requests/s, whether answered or not."),
    _option("--arrivals", Arrivals, "poisson", "Open loop: as users come, or evenly."),
    _option("--profile", Profile, "constant", "How the rate changes over time."),
    _option("--to-rate", RATE, None, "At the end, or of a spike.  [default: 4 × rate]"),
    _option("--steps", click.IntRange(2, 100), 8, "Number of steps."),
    _option("--duration", TIME, None, "[default: 10s; a soak: 10m]"),
    _option("--max-in-flight", click.IntRange(1), MAX_IN_FLIGHT, AT_ONCE),
    _option("--assert objective", CONDITIONS, None, f"Exit code 1 unless {EXAMPLE}."),
    _option("--html html_file", FILE, None, "Write a page with plots here."),
]
FIND_LIMIT = [
    _option("--objective", CONDITIONS, ..., f"What must hold, such as {EXAMPLE}."),
    _option("--start", click.FloatRange(1), 50.0, "Requests/s to begin with."),
    _option("--most", click.FloatRange(1), 50_000.0, "Highest requests/s to try."),
    _option("--tolerance", SHARE, 0.05, "Of the answer, a share of it."),
    _option("--probe", TIME, "5s", "How long a rate is tried; three times to confirm."),
]


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """Load a running service, and tell what its users would see.

    \b
    servery serve                       # in another terminal
    servery loadtest run                # 32 connections for 10 s
    servery loadtest run --rate 200 --assert "p99<100ms,errors<0.1%"
    servery loadtest find-limit --objective "p99<100ms,errors<0.1%"
    """  # noqa: D301


@cli.command(params=[*RUN, *COMMON])
def run(
    *,
    objective: Objective | None,
    json_file: Path | None,
    html_file: Path | None,
    **given: Any,
) -> None:
    """Run one test and report. Ctrl-C ends it early and still reports.

    Conditions may be set on p50, p99, p99.9 and so on, mean and max, in us, ms or s; on
    errors, in %; on goodput, rate and requests. An endpoint may stand before them.

    \b
    servery loadtest run --connections 64 --duration 30s --html report.html
    servery loadtest run --rate 100 --to-rate 800 --profile steps
    servery loadtest run --rate 300 --mix digits=80,party=20
    servery loadtest run --rate 200 --assert "digits.p99<50ms,errors<0.1%"
    """  # noqa: D301
    load = _read_run(given)
    with Workers(given["processes"] or _choose_processes(load)) as workers:
        report = run_test(load, workers, objective or ())
    show(report, Console(width=None if sys.stdout.isatty() else WIDTH))
    if json_file:
        json_file.write_text(to_json(report), "utf-8")
    if html_file:
        html_file.write_text(to_html(report), "utf-8")
    sys.exit(not report.is_kept)


@cli.command("find-limit", params=[*FIND_LIMIT, *COMMON])
def find_limit(*, objective: Objective, json_file: Path | None, **given: Any) -> None:
    """Find the highest rate that meets an objective.

    Open loop, Poisson arrivals. The rate is doubled until the objective fails twice,
    then narrowed down; a longer test confirms the answer.

    \b
    servery loadtest find-limit --objective "p99<50ms,errors<0.1%"
    servery loadtest find-limit --objective "p99<100ms" --mix digits
    """  # noqa: D301
    load = _read_load(given)
    search = LimitSearch(load, objective, given["probe"], given["processes"])
    found = search.run(given["start"], given["most"], given["tolerance"])
    click.echo(str(found))
    if json_file:
        json_file.write_text(json.dumps(asdict(found), indent=2) + "\n", "utf-8")
    sys.exit(found.limit.rate is None)


@cli.command()
@click.option("--url", help="A service, whose models that declare their task follow.")
def workloads(url: str | None) -> None:
    """List what may be in a mix, and its share in the default one."""
    for each in WORKLOADS.values():
        click.echo(f"{each.name:10} {each.weight:>3g}  POST {each.path}: {each.about}")
    target = Target(url) if url else None
    declared = target.declared(target.ready_models()) if target else {}
    for name, found in declared.items():
        click.echo(f"{name:10} {1:>3}  POST {found.path}: {len(found.bodies)} declared")


def _choose_processes(load: Load) -> int:
    """One, or more where an open loop asks for it and there are cores."""
    highest = max(load.rates.rates) if load.rates else 0.0
    cores = len(os.sched_getaffinity(0))
    return min(cores, max(1, math.ceil(highest / RATE_OF_A_PROCESS)))


def _read_load(given: dict[str, Any]) -> Load:
    """What the common options ask for, as a closed loop without a duration."""
    url = given["url"].rstrip("/")
    if not is_local(url) and not given["allow_remote"]:
        raise click.UsageError(
            f"{url} is another machine: expected 127.0.0.1, ::1 or localhost. A load "
            "test can bring a service down; if it is yours to load: --allow-remote"
        )
    trust = Trust(given["ca"], given["certificate"])
    try:
        target = Target(url, trust)
    except InvalidInput as error:
        raise click.UsageError(error.message) from error
    ready = target.ready_models()
    declared = target.declared(ready)
    known = [*WORKLOADS, *declared]
    mix = (
        parse_mix(given["mix"], known) if given["mix"] else default_mix(ready, declared)
    )
    check_ready(mix, ready)
    return Load(
        *(url, mix, ready, given["warmup"], given["warmup"]),
        timeout_s=given["timeout"],
        deadline_s=given["deadline"],
        images=given["images"],
        seed=given["seed"],
        declared={name: each for name, each in declared.items() if name in mix},
        api_key=given["api_key"],
        trust=trust,
    )


def _read_run(given: dict[str, Any]) -> Load:
    profile, rate, connections = given["profile"], given["rate"], given["connections"]
    if rate and connections:
        raise click.UsageError(
            "expected --rate, for an open loop, or --connections, for a closed one; "
            "received both"
        )
    if profile not in (Profile.CONSTANT, Profile.SOAK) and not rate:
        raise click.UsageError(f"--profile {profile}: expected --rate, to begin with")
    load = _read_load(given)
    seconds = given["duration"] or (600.0 if profile is Profile.SOAK else 10.0)
    if not rate:
        whole_s = load.warmup_s + seconds
        return replace(load, connections=connections or 32, duration_s=whole_s)
    top = given["to_rate"] or GROWTH * rate
    rates = profile.rates(rate, top, seconds, given["steps"])
    load = replace(load, connections=given["max_in_flight"], arrivals=given["arrivals"])
    return load.at(with_warmup(rates, load.warmup_s))
