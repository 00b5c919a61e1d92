"""`python -m benchmarks.operations`: what is promised to operators, measured here."""

import multiprocessing
import os
import signal
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from benchmarks.facts import ROOT, gather_facts
from benchmarks.measure import FULL as BENCH
from benchmarks.operations.drills import KILLED, Drill, Killed, Terminated
from benchmarks.operations.overload import Bench, Overload, Plan
from benchmarks.operations.plot import draw
from benchmarks.operations.report import PICTURE, Measured, render
from benchmarks.operations.subject import Subject, SubjectError, running
from benchmarks.processes import Watch
from benchmarks.subjects import cores
from loadtest.limit import Limit
from loadtest.load import Load, Mix, MixError, check_ready, parse_mix, show_mix
from loadtest.objective import ObjectiveError, parse_objective
from loadtest.summary import Summary
from loadtest.target import Target
from service.engine.disk import find_versions
from service.settings import Settings

DEADLINE_S, TIMEOUT_S = 1.0, 3.0
MOST_CONNECTIONS = 8000
FACTORS = (2.0, 5.0)
START = 100  # requests a second to begin with
TERMINATED, KILLED_AT = 0.8, 0.3  # of the limit: what is asked in the drills
MODEL = "digits"
FACTS = ("Date", "Commit", "Machine", "System", "Versions", "Model", "Servery")
FULL = Plan()
QUICK = Plan(probe=1, peak=2, before=2, overload=3, after=4, drill=2, tolerance=0.3)


@dataclass(frozen=True, slots=True)
class Place:
    """Who runs where.

    Attributes:
        service: How many cores it may use.
        client: Those that the client may use.
    """

    service: int
    client: frozenset[int]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="To try it out: printed, nothing written.")
@click.option("--mix", default="digits", show_default=True, help="As in load tests.")
@click.option(
    "--objective",
    default="p99<100ms,errors<0.1%",
    show_default=True,
    help="What holds below the limit, p99 among it.",
)
@click.option(
    "--client-cores",
    type=click.IntRange(min=0),
    default=cores() // 2,
    help="Cores that the client has for itself; 0: it shares them all with the "
    "service, which then has less the more is asked.  [default: half of them]",
)
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=ROOT / "artifacts",
    help="What is served.  [default: artifacts]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=ROOT / "docs",
    help="Folder for operations-measured.md and its picture.  [default: docs]",
)
def main(
    *,
    quick: bool,
    mix: str,
    objective: str,
    client_cores: int,
    artifacts: Path,
    output: Path,
) -> None:
    """Measure overload, recovery, SIGTERM under load and kill -9 on this machine.

    Starts services on free ports of 127.0.0.1, finds the limit of one, asks for twice
    and five times that, and sends signals to others. Some ten minutes; the machine
    should do nothing else meanwhile. Needs Linux.
    """
    plan = QUICK if quick else FULL
    signal.signal(signal.SIGTERM, _leave)
    try:
        placed = _place(client_cores)
        measured = _measure(plan, mix, objective, artifacts.resolve(), placed)
    except (SubjectError, MixError, ObjectiveError) as error:
        raise click.ClickException(str(error)) from error
    page = render(measured, picture=not quick)
    click.echo(page)
    if quick:
        return
    (output / "operations-measured.md").write_text(page, encoding="utf-8")
    rate = measured.limit.rate or 0.0
    draw(measured.overloads, measured.deadline_s, rate, output / PICTURE)


def _place(client_cores: int) -> Place:
    """Leave some cores to the client; the services that are started have the others."""
    every = sorted(os.sched_getaffinity(0))
    if not client_cores:
        return Place(len(every), frozenset(every))
    os.sched_setaffinity(0, every[:-client_cores])
    return Place(len(every) - client_cores, frozenset(every[-client_cores:]))


def _measure(
    plan: Plan, mix: str, objective: str, artifacts: Path, place: Place
) -> Measured:
    watch, context = Watch(), multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="servery-operations-") as name,
        ProcessPoolExecutor(
            1, context, os.sched_setaffinity, (0, place.client)
        ) as client,
    ):
        folder = Path(name)
        with running(folder, artifacts) as subject:
            base = _prepare(subject, parse_mix(mix))
            bench = Bench(subject, client, base, parse_objective(objective), plan)
            limit, peak, overloads = _overload(bench)
        drill = Drill(folder, artifacts, client, base)
        terminated, killed, restart_s = _send_signals(drill, peak.intended_rate, plan)
    return Measured(
        facts=_gather_facts(base, artifacts, watch, place),
        objective=objective,
        deadline_s=DEADLINE_S,
        limit=limit,
        peak=peak,
        overloads=overloads,
        terminated=terminated,
        killed=killed,
        restart_s=restart_s,
    )


def _prepare(subject: Subject, mix: Mix) -> Load:
    ready = Target(subject.url).ready_models()
    check_ready(mix, ready)
    return Load(
        url=subject.url,
        mix=mix,
        models=ready,
        duration_s=0,
        connections=MOST_CONNECTIONS,
        timeout_s=TIMEOUT_S,
        deadline_s=DEADLINE_S,
    )


def _overload(bench: Bench) -> tuple[Limit, Summary, list[Overload]]:
    limit = bench.find_limit(START, _say)
    if limit.rate is None:
        raise SubjectError("no rate holds the objective")
    _say("asking for the limit …")
    peak = bench.peak(limit.rate)
    _say("asking for more …")
    return limit, peak, [bench.overload(limit.rate, factor) for factor in FACTORS]


def _send_signals(
    drill: Drill, limit: float, plan: Plan
) -> tuple[Terminated, list[Killed], float]:
    _say("SIGTERM …")
    terminated = drill.terminate(TERMINATED * limit, plan)
    _say("kill -9 …")
    killed = [drill.kill(what, KILLED_AT * limit, plan) for what in KILLED]
    return terminated, killed, drill.restart()


def _gather_facts(
    load: Load, artifacts: Path, watch: Watch, place: Place
) -> dict[str, str]:
    versions = find_versions(artifacts)[MODEL]
    folder = artifacts / MODEL / str(max(versions))
    facts = gather_facts(BENCH, Settings(artifacts=artifacts), folder)
    return {name: facts[name] for name in FACTS} | {
        "Load": f"{show_mix(load.mix)}, pictures as they are; open loop, Poisson, from "
        f"one process on bare sockets beside the service, at most {MOST_CONNECTIONS:,} "
        "connections",
        "Cores": f"the service: {place.service}; the client: {len(place.client)}",
        "Others": f"other programs and the hypervisor took {watch.others():.1%}",
    }


def _leave(number: int, frame: FrameType | None) -> None:
    """End as after an error, so that every service is ended too."""
    sys.exit(128 + number)


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
