"""`python -m benchmarks.operations`: what is promised to operators, measured here."""

import os
import signal
import tempfile
from functools import partial
from pathlib import Path

import click

from benchmarks.__main__ import leave
from benchmarks.facts import gather_facts
from benchmarks.operations.drills import KILLED, Drill
from benchmarks.operations.overload import CONNECTIONS, Plan, ask, overload, search
from benchmarks.operations.page import PICTURE, Measured, draw, render
from benchmarks.operations.sockets import BareConnections
from benchmarks.processes import Watch
from benchmarks.servers import ServerError, running
from benchmarks.subjects import ARTIFACTS, DOCS, cores, find_models, servery
from loadtest.workers import Workers

FACTORS = (2.0, 5.0)
TERMINATED, KILLED_AT = 0.8, 0.3  # of the limit: what is asked in the drills
QUICK = Plan(probe=1, peak=2, before=2, overload=3, after=4, drill=2, tolerance=0.3)
say = partial(click.echo, err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="To try it out: printed, nothing written.")
@click.option(
    "--client-cores",
    type=click.IntRange(min=0),
    default=cores() // 2,
    help="Cores that the client has for itself; 0: it shares them all with the "
    "service, which then has less the more is asked.  [default: half of them]",
)
def main(*, quick: bool, client_cores: int) -> None:
    """Measure overload, recovery, SIGTERM under load and kill -9 on this machine.

    Starts services on free ports of 127.0.0.1, finds the limit of digits, asks for
    twice and five times that, and sends signals to others. Some ten minutes; the
    machine should do nothing else meanwhile. Needs Linux.
    """
    signal.signal(signal.SIGTERM, leave)
    every = sorted(os.sched_getaffinity(0))
    own = every[len(every) - client_cores :] if client_cores else every
    os.sched_setaffinity(0, own)  # for the client, which is started here
    try:
        with Workers(1, BareConnections) as workers:
            os.sched_setaffinity(0, every[: len(every) - client_cores])  # for services
            measured = measure(QUICK if quick else Plan(), workers)
    except ServerError as error:
        raise click.ClickException(str(error)) from error
    measured.facts["Cores"] = f"the service: {cores()}; the client: {len(own)}"
    page = render(measured, picture=not quick)
    click.echo(page)
    if not quick:
        (DOCS / "operations-measured.md").write_text(page, encoding="utf-8")
        draw(measured, DOCS / PICTURE)


def measure(plan: Plan, workers: Workers) -> Measured:
    """All of it, with a client in a process of its own."""
    watch = Watch()
    server, _ = servery(ARTIFACTS, environment={"SERVERY_ACCESS_LOG": "true"})
    with tempfile.TemporaryDirectory(prefix="servery-operations-") as name:
        folder = Path(name)
        with running(server, folder) as service:
            limit = search(workers, service.url(), plan)
            if limit.rate is None:
                raise ServerError("no rate holds the objective")
            say("asking for the limit, and for more …")
            peak, _ = ask(workers, service.url(), limit.rate, plan.peak)
            overloads = [
                overload(workers, service, plan, limit.rate, factor)
                for factor in FACTORS
            ]
        say("SIGTERM, kill -9 …")
        drill, rate = Drill(server, folder, workers), limit.rate
        terminated = drill.terminate(TERMINATED * rate, plan.drill)
        killed = [drill.kill(what, KILLED_AT * rate, plan.drill) for what in KILLED]
        restart_s = drill.restart()
    facts = gather_facts(find_models(ARTIFACTS, ("digits",))["digits"])
    facts["Load"] = (
        "digits, pictures as they are; open loop, Poisson, from one process on bare "
        f"sockets beside the service, at most {CONNECTIONS:,} connections"
    )
    facts["Others"] = f"other programs and the hypervisor took {watch.others():.1%}"
    return Measured(facts, limit, peak, overloads, terminated, killed, restart_s)


if __name__ == "__main__":
    main()
