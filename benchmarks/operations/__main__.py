"""`python -m benchmarks.operations`: what is promised to operators, measured here."""

import os
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.__main__ import leave
from benchmarks.facts import gather_facts
from benchmarks.operations.clock import clock_jump
from benchmarks.operations.disks import full_disk, slow_disk
from benchmarks.operations.figures import Data, Found, Kept, missed
from benchmarks.operations.greedy import greedy_client
from benchmarks.operations.limits import draw, find_and_exceed
from benchmarks.operations.mixed import mixed_requests
from benchmarks.operations.page import PICTURE, render
from benchmarks.operations.signals import kill_9, sigterm
from benchmarks.operations.sockets import BareConnections
from benchmarks.operations.stage import Stage
from benchmarks.operations.switches import version_switches
from benchmarks.processes import Watch
from benchmarks.servers import ServerError
from benchmarks.subjects import ARTIFACTS, DOCS, cores, find_models
from loadtest.workers import Workers

FIGURES, PAGE = DOCS / "operations-measured.json", DOCS / "operations-measured.md"
FALLBACK = 500.0  # requests/s, where no limit was ever measured
DRILLS: dict[str, tuple[str, Callable[[Stage], Found]]] = {
    "limit": ("the limit and overload", find_and_exceed),
    "sigterm": ("SIGTERM", sigterm),
    "kill": ("kill -9", kill_9),
    "greedy": ("a greedy client", greedy_client),
    "slow-disk": ("a slow disk", slow_disk),
    "full-disk": ("a full disk", full_disk),
    "clock": ("a clock that jumps", clock_jump),
    "switches": ("version switches", version_switches),
    "mixed": ("mixed requests", mixed_requests),
}
TITLES = {name: title for name, (title, _) in DRILLS.items()}
say = partial(click.echo, err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(DRILLS)),
    help="A drill to repeat; the figures of all others are kept.  [default: all]",
)
@click.option(
    "--scale",
    type=click.FloatRange(0.001, 1),
    default=1.0,
    show_default=True,
    help="Of all counts and durations; less than 1 is printed and not written.",
)
@click.option(
    "--client-cores",
    type=click.IntRange(min=0),
    default=cores() // 2,
    help="Cores that the client has for itself; 0: it shares them all with the "
    "service, which then has less the more is asked.  [default: half of them]",
)
def main(*, only: tuple[str, ...], scale: float, client_cores: int) -> None:
    """Have a service overloaded, killed, filled up and misled, and count what fails.

    Starts services on free ports of 127.0.0.1, and writes docs/operations-measured.md.
    All of it takes some 40 minutes, in which the machine should do nothing else. Needs
    Linux, gcc, openssl and namespaces of users.
    """
    signal.signal(signal.SIGTERM, leave)
    every = sorted(os.sched_getaffinity(0))
    own = every[len(every) - client_cores :] if client_cores else every
    os.sched_setaffinity(0, own)  # for the client, which is started here
    kept, broken = Kept(FIGURES), list[str]()
    with Workers(1, BareConnections) as workers:
        os.sched_setaffinity(0, every[: len(every) - client_cores])  # for services
        for name in only or DRILLS:
            limit = kept.drills.get("limit", {}).get("limit", FALLBACK)
            say(f"{TITLES[name]} …")
            with tempfile.TemporaryDirectory(prefix="servery-operations-") as folder:
                stage = Stage(Path(folder), workers, limit, scale, frozenset(own))
                try:
                    data = measure(name, stage)
                except ServerError as error:
                    raise click.ClickException(f"{TITLES[name]}: {error}") from error
            kept.put(name, data, write=scale == 1)
            for each in missed_in(data):
                say(f"  {each}")
                broken.append(each)
    facts = gather_facts(find_models(ARTIFACTS, ("digits",))["digits"])
    facts["Cores"] = f"the service: {cores()}; the client: {len(own)}"
    del facts["Date"], facts["Commit"]  # each drill has its own
    page = render(kept.drills, TITLES, facts)
    click.echo(page)
    if scale == 1:
        PAGE.write_text(page, encoding="utf-8")
        if "limit" in kept.drills:
            draw(kept.drills["limit"], DOCS / PICTURE)
    if broken:
        raise click.ClickException(f"promises that were missed: {len(broken)}")


def measure(name: str, stage: Stage) -> Data:
    """One drill, with what its figures are worth nothing without."""
    watch, began = Watch(), time.monotonic()
    found = DRILLS[name][1](stage)
    facts = gather_facts(find_models(ARTIFACTS, ("digits",))["digits"])
    return {
        "date": facts["Date"],
        "commit": facts["Commit"],
        "seconds": round(time.monotonic() - began),
        "others": round(watch.others(), 3),
        **found.to_json(),
    }


def missed_in(data: dict[str, Any]) -> list[str]:
    """The promises that a drill has not kept."""
    return [
        each for part in (data, *data.get("overloads", ())) for each in missed(part)
    ]


if __name__ == "__main__":
    main()
