"""The commands: `run` one test, `find-limit`, list the `workloads`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from loadtest.arrivals import Arrivals
from loadtest.crew import CrewError
from loadtest.hunt import Hunt, show_found
from loadtest.load import Load
from loadtest.objective import EXAMPLE, Objective
from loadtest.options import common_options, read_duration, read_load, read_objective
from loadtest.page import to_html
from loadtest.profile import Profile, Shape
from loadtest.rates import with_warmup
from loadtest.record import to_json
from loadtest.session import run_alone
from loadtest.tables import make_console, show
from loadtest.workloads import WORKLOADS

CONTEXT = {"help_option_names": ["-h", "--help"]}
UNSHAPED = (Shape.CONSTANT, Shape.SOAK)  # which a closed loop may be


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """Load a running service, and tell what its users would see.

    \b
    servery serve                       # in another terminal
    servery loadtest run                # 32 connections for 10 s
    servery loadtest run --rate 200 --assert "p99<100ms,errors<0.1%"
    servery loadtest find-limit --objective "p99<100ms,errors<0.1%"
    """  # noqa: D301


@cli.command()
@click.option(
    "--connections",
    type=click.IntRange(1, 10_000),
    help="Closed loop: each sends when it has its answer.  [default: 32]",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Open loop: requests a second, whatever becomes of those before.",
)
@click.option(
    "--arrivals",
    type=click.Choice([each.value for each in Arrivals]),
    default=Arrivals.POISSON.value,
    show_default=True,
    help="Open loop: at random, as users come, or evenly.",
)
@click.option(
    "--profile",
    "shape",
    type=click.Choice([each.value for each in Shape]),
    default=Shape.CONSTANT.value,
    show_default=True,
    help="How the rate changes; soak stays, for ten minutes.",
)
@click.option(
    "--to-rate",
    type=click.FloatRange(0, min_open=True),
    help="Where a ramp or steps end, how high a spike is.  [default: 4 × rate]",
)
@click.option("--steps", type=click.IntRange(2, 100), default=8, show_default=True)
@click.option(
    "--duration", type=read_duration, metavar="TIME", help="[default: 10s; a soak: 10m]"
)
@click.option(
    "--max-in-flight",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Open loop: beyond these, requests are not sent but counted.",
)
@click.option(
    "--assert",
    "objective",
    type=read_objective,
    metavar="CONDITIONS",
    help=f"Such as {EXAMPLE}; exit code 1 if one fails.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with plots here.",
)
@common_options
def run(
    *,
    objective: Objective,
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
    try:
        report = run_alone(load, given["processes"], objective or ())
    except CrewError as error:
        raise click.ClickException(str(error)) from error
    show(report, make_console())
    if json_file:
        json_file.write_text(to_json(report), "utf-8")
    if html_file:
        html_file.write_text(to_html(report), "utf-8")
    if not report.is_kept:
        sys.exit(1)


@cli.command("find-limit")
@click.option(
    "--objective",
    type=read_objective,
    metavar="CONDITIONS",
    required=True,
    help=f"What must hold, such as {EXAMPLE}.",
)
@click.option(
    "--start",
    type=click.FloatRange(1),
    default=50.0,
    show_default=True,
    help="Requests a second to begin with.",
)
@click.option(
    "--most",
    type=click.FloatRange(1),
    default=50_000.0,
    show_default=True,
    help="Requests a second beyond which is not searched.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0.005, 1),
    default=0.05,
    show_default=True,
    help="How far off the answer may be, as a share of it.",
)
@click.option(
    "--probe",
    type=read_duration,
    metavar="TIME",
    default="5s",
    show_default=True,
    help="How long a rate is tried; three times as long to confirm.",
)
@common_options
def find_limit(
    *, objective: Objective, json_file: Path | None, probe: float, **given: Any
) -> None:
    """Find the highest rate that holds an objective.

    Open loop, Poisson arrivals. The rate is doubled until the objective fails twice,
    then narrowed down; a longer test confirms the answer.

    \b
    servery loadtest find-limit --objective "p99<50ms,errors<0.1%"
    servery loadtest find-limit --objective "p99<100ms" --mix digits
    """  # noqa: D301
    base = read_load(given)
    try:
        with Hunt(base, objective, probe, given["processes"]) as hunt:
            found = hunt.run(given["start"], given["most"], given["tolerance"])
    except CrewError as error:
        raise click.ClickException(str(error)) from error
    click.echo(show_found(found))
    if json_file:
        json_file.write_text(found.to_json(), "utf-8")
    if found.limit.rate is None:
        sys.exit(1)


@cli.command()
def workloads() -> None:
    """List what may be in a mix, and its share in the default one."""
    for each in WORKLOADS.values():
        click.echo(f"{each.name:10} {each.weight:>3g}  POST {each.path}: {each.about}")


def _read_run(given: dict[str, Any]) -> Load:
    shape, rate, connections = (
        Shape(given["shape"]),
        given["rate"],
        given["connections"],
    )
    if rate and connections:
        raise click.UsageError(
            "expected --rate, for an open loop, or --connections, for a closed one; "
            "received both"
        )
    if shape not in UNSHAPED and not rate:
        raise click.UsageError(f"--profile {shape}: expected --rate, to begin with")
    load, seconds = read_load(given), given["duration"] or shape.usual_s()
    if not rate:
        return replace(
            load,
            connections=connections or load.connections,
            duration_s=load.warmup_s + seconds,
        )
    profile = Profile(shape, rate, given["to_rate"], given["steps"])
    return replace(
        load,
        rates=(rates := with_warmup(profile.rates(seconds), load.warmup_s)),
        duration_s=rates.duration_s,
        connections=given["max_in_flight"],
        arrivals=Arrivals(given["arrivals"]),
    )
