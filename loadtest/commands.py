"""The commands: `run` one test, `find-limit`, list the `workloads`."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from loadtest.arrivals import Arrivals, Profile, with_warmup
from loadtest.limit import MAX_IN_FLIGHT, LimitSearch
from loadtest.load import Load, check_ready, default_mix, parse_mix
from loadtest.objective import EXAMPLE, Objective, parse_objective
from loadtest.page import to_html
from loadtest.report import to_json
from loadtest.session import choose_processes, run_test
from loadtest.target import Target, is_local
from loadtest.text import show
from loadtest.units import parse_duration
from loadtest.workers import Workers
from loadtest.workloads import WORKLOADS, ImageForm

WIDTH = 100  # of the tables, where there is no terminal to ask
GROWTH = 4  # of the rate, where --to-rate does not say how far it goes
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Parsed(click.ParamType[Any]):
    """A parameter that a function reads, which raises ValueError if it cannot."""

    def __init__(self, name: str, parse: Callable[[str], Any]):
        self.name, self._parse = name, parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Read it."""
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME = Parsed("TIME", parse_duration)
CONDITIONS = Parsed("CONDITIONS", parse_objective)
FILE = click.Path(path_type=Path, dir_okay=False)
RATE = click.FloatRange(0, min_open=True)


def _choice(values: Any) -> click.Choice[Any]:
    return click.Choice(values, case_sensitive=False)


def _option(
    name: str, kind: Any, default: Any, about: str, dest: str | None = None
) -> Decorator:
    names = [name, *([dest] if dest else [])]
    return click.option(*names, type=kind, default=default, help=about)


def _options(*options: Decorator) -> Decorator:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_common = _options(
    _option("--url", str, "http://127.0.0.1:8000", "The service."),
    click.option(
        *("--allow-remote",),
        is_flag=True,
        help="Load another machine. Only one that is yours to load!",
    ),
    click.option(
        *("--mix",),
        metavar="NAME=SHARE,…",
        help="Which endpoints, in which proportions: digits=60,sentiment=20.  "
        "[default: all whose models are ready; see the command workloads]",
    ),
    _option("--images", _choice(ImageForm), "raw", "How pictures are sent."),
    _option("--warmup", TIME, "2s", "Time before the duration that is in no figure."),
    _option("--timeout", TIME, "10s", "When a request is given up."),
    _option(
        *("--deadline", TIME, None),
        "When an answer becomes worthless and counts as no goodput. The service is "
        "told, by X-Request-Timeout-Ms.",
    ),
    _option(
        *("--processes", click.IntRange(0, 64), 0),
        "Client processes; 0 = one, or more where the rate asks for it.",
    ),
    _option("--seed", int, 0, "Of the times and order of requests."),
    _option("--json", FILE, None, "Write every figure here.", "json_file"),
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
def cli() -> None:
    """Load a running service, and tell what its users would see.

    \b
    servery serve                       # in another terminal
    servery loadtest run                # 32 connections for 10 s
    servery loadtest run --rate 200 --assert "p99<100ms,errors<0.1%"
    servery loadtest find-limit --objective "p99<100ms,errors<0.1%"
    """  # noqa: D301


@cli.command()
@_options(
    _option(
        *("--connections", click.IntRange(1, 10_000), None),
        "Closed loop: each sends when it has its answer.  [default: 32]",
    ),
    _option("--rate", RATE, None, "Open loop: requests/s, whether answered or not."),
    _option(
        *("--arrivals", _choice(Arrivals), "poisson"),
        "Open loop: at random, as users come, or evenly.",
    ),
    _option(
        *("--profile", _choice(Profile), "constant"),
        "How the rate changes; soak is constant, for ten minutes.",
    ),
    _option(
        *("--to-rate", RATE, None),
        "Where a ramp or steps end, how high a spike is.  [default: 4 × rate]",
    ),
    _option("--steps", click.IntRange(2, 100), 8, "Number of steps."),
    _option("--duration", TIME, None, "[default: 10s; a soak: 10m]"),
    _option(
        *("--max-in-flight", click.IntRange(1), MAX_IN_FLIGHT),
        "Open loop: requests beyond these are not sent but counted.",
    ),
    _option(
        *("--assert", CONDITIONS, None),
        f"Such as {EXAMPLE}; exit code 1 if one fails.",
        "objective",
    ),
    _option("--html", FILE, None, "Write a page with plots here.", "html_file"),
)
@_common
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
    with Workers(given["processes"] or choose_processes(load)) as workers:
        report = run_test(load, workers, objective or ())
    console = Console()
    show(report, console if console.is_terminal else Console(width=WIDTH))
    if json_file:
        json_file.write_text(to_json(report), "utf-8")
    if html_file:
        html_file.write_text(to_html(report), "utf-8")
    sys.exit(not report.is_kept)


@cli.command("find-limit")
@_options(
    click.option(
        *("--objective",),
        type=CONDITIONS,
        required=True,
        help=f"What must hold, such as {EXAMPLE}.",
    ),
    _option("--start", click.FloatRange(1), 50.0, "Requests/s to begin with."),
    _option("--most", click.FloatRange(1), 50_000.0, "Highest requests/s to try."),
    _option(
        *("--tolerance", click.FloatRange(0.005, 1), 0.05),
        "How far off the answer may be, as a share of it.",
    ),
    _option(
        *("--probe", TIME, "5s"),
        "How long a rate is tried; three times as long to confirm.",
    ),
)
@_common
def find_limit(*, objective: Objective, json_file: Path | None, **given: Any) -> None:
    """Find the highest rate that meets an objective.

    Open loop, Poisson arrivals. The rate is doubled until the objective fails twice,
    then narrowed down; a longer test confirms the answer.

    \b
    servery loadtest find-limit --objective "p99<50ms,errors<0.1%"
    servery loadtest find-limit --objective "p99<100ms" --mix digits
    """  # noqa: D301
    search = LimitSearch(
        _read_load(given), objective, given["probe"], given["processes"]
    )
    found = search.run(given["start"], given["most"], given["tolerance"])
    click.echo(str(found))
    if json_file:
        json_file.write_text(found.to_json(), "utf-8")
    sys.exit(found.limit.rate is None)


@cli.command()
def workloads() -> None:
    """List what may be in a mix, and its share in the default one."""
    for each in WORKLOADS.values():
        click.echo(f"{each.name:10} {each.weight:>3g}  POST {each.path}: {each.about}")


def _read_load(given: dict[str, Any]) -> Load:
    """What the common options ask for, as a closed loop without a duration."""
    url = given["url"].rstrip("/")
    if not is_local(url) and not given["allow_remote"]:
        raise click.UsageError(
            f"{url} is another machine: expected 127.0.0.1, ::1 or localhost. A load "
            "test can bring a service down; if it is yours to load: --allow-remote"
        )
    mix = parse_mix(given["mix"]) if given["mix"] else None
    ready = Target(url).ready_models()
    mix = mix or default_mix(ready)
    check_ready(mix, ready)
    return Load(
        *(url, mix, ready, given["warmup"], given["warmup"]),
        timeout_s=given["timeout"],
        deadline_s=given["deadline"],
        images=given["images"],
        seed=given["seed"],
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
        duration_s = load.warmup_s + seconds
        return replace(load, connections=connections or 32, duration_s=duration_s)
    top = given["to_rate"] or GROWTH * rate
    rates = profile.rates(rate, top, seconds, given["steps"])
    rates = with_warmup(rates, load.warmup_s)
    return replace(
        load,
        rates=rates,
        duration_s=rates.duration_s,
        connections=given["max_in_flight"],
        arrivals=given["arrivals"],
    )
