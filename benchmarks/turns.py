"""Ways to ask the service, in turns: what the pages without peers are made of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.load import Load, run_load
from benchmarks.rpc_load import run_rpc_load
from benchmarks.servers import HOST, Running, running
from benchmarks.subjects import ARTIFACTS, JSON, servery
from benchmarks.workloads import write_bodies

Loads = dict[tuple[str, str, int], list[Load]]
"""By the way to ask, the kind of service, and connections: all rounds."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask."""

    path: str  # of the URL, or of the RPC's method
    bodies: list[bytes]  # that are sent in turn
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    rpc: bool = False

    def post(self, server: Running, number: int, seconds: int, files: Path) -> Load:
        """POST the bodies, which lie in `files`, on so many connections."""
        asked = server.url(self.path), files, self.media_type
        load = partial(run_load, connections=number, seconds=seconds)
        return server.measure(partial(load, *asked, headers=self.headers))

    def call(
        self, server: Running, number: int, seconds: int, client: Executor
    ) -> Load:
        """Call the method on so many connections, from a process of its own."""
        address = f"{HOST}:{server.server.environment['SERVERY_GRPC_PORT']}"
        asked = address, self.path, self.bodies, number, seconds
        return server.measure(lambda: client.submit(run_rpc_load, *asked).result())


def measure_in_turns(
    ways: Mapping[str, Way],
    kinds: Mapping[str, Mapping[str, str]],
    connections: Iterable[int],
    seconds: int,
    rounds: int,
) -> Loads:
    """Ask the service with all models in each way, in turns.

    Args:
        ways: By name.
        kinds: Of the service: what is set in the environment of each.
        connections: That are kept busy, one number after the other.
        seconds: Of one load.
        rounds: Of all loads.
    """
    found: Loads = defaultdict(list)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="servery-bench-")))
        client = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        files = {name: write_bodies(way.bodies, folder) for name, way in ways.items()}
        services = {}
        for kind, environment in kinds.items():
            server, _ = servery(ARTIFACTS, name=kind, environment=environment)
            services[kind] = stack.enter_context(running(server, folder))
        for name, number, kind in rounds * list(product(ways, connections, kinds)):
            asked = services[kind], number, seconds
            if ways[name].rpc:
                load = ways[name].call(*asked, client)
            else:
                load = ways[name].post(*asked, files[name])
            click.echo(f"{name} {kind} {number}: {load.rate:.0f}/s", err=True)
            found[name, kind, number].append(load)
    return found
