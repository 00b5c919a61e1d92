"""One model through every protocol; docs/benchmarks-protocols.md.

    python -m benchmarks.protocols

Beside it a large tensor as raw bytes and as JSON, and a model of 300 MB that is loaded
while others are asked.
"""

import tempfile
import time
from collections.abc import Callable
from os import getloadavg
from pathlib import Path
from statistics import median

import click
import httpx
import numpy as np
import tensorflow as tf

from benchmarks.facts import gather_facts, now
from benchmarks.processes import Watch, memory
from benchmarks.servers import Running, free_port, running, wait_for
from benchmarks.subjects import ARTIFACTS, find_models, servery
from benchmarks.synthetic import save, write_large
from benchmarks.tables import LOAD_COLUMNS, figure, load_cells, table, write_page
from benchmarks.tensor_bodies import RAW, way_to_infer, ways_to_digits
from benchmarks.turns import measure_in_turns
from benchmarks.workloads import write_bodies
from loadtest.target import Target

CONNECTIONS = (1, 8, 32, 128)
MIB = 2**20
LARGE_WEIGHTS = 75_000_000  # float32: 300 MB
QUIET_S = 3.0  # of digits alone
SIDE, IMAGE_SECONDS = 1024, 8  # pixels of the large image, and of one load with it


def measure_digits(seconds: int, rounds: int) -> str:
    """Every protocol at every number of connections, in turns; a table."""
    kinds = {"": {"SERVERY_GRPC_PORT": str(free_port())}}
    found = measure_in_turns(ways_to_digits(), kinds, CONNECTIONS, seconds, rounds)
    rows = [
        [
            *(str(number), name, *load_cells(loads)),
            figure(median(each.cpu_ms for each in loads)),
            figure(median(1000 * each.client_cpu_s / each.requests for each in loads)),
        ]
        for (name, _, number), loads in sorted(found.items(), key=lambda e: e[0][2])
    ]
    head = ("Connections", "Protocol", *LOAD_COLUMNS, "CPU ms", "client's CPU ms")
    return table(head, rows)


def measure_image() -> str:
    """A 1024×1024×3 image to its mean, as raw bytes and as JSON; a table."""
    image = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    rows = []
    with tempfile.TemporaryDirectory(prefix="servery-bench-") as place:
        folder, module = Path(place), tf.Module()
        spec = tf.TensorSpec([None, SIDE, SIDE, 3], "uint8", "image")
        module.call = lambda image: {
            "mean": tf.reduce_mean(tf.cast(image, "float32"), [1, 2])
        }
        save(module, spec, folder / "artifacts" / "mean" / "1")
        with running(servery(folder / "artifacts")[0], folder) as started:
            wait_for(lambda: _is_ready(started, "mean"), "mean being ready")
            for kind, binary in (("binary", True), ("JSON", False)):
                way = way_to_infer("mean", "image", [image], binary=binary)
                files = write_bodies(way.bodies, folder)
                size = f"{len(way.bodies[0]) / 1e6:.1f} MB"
                for number in (1, 4):
                    load = way.post(started, number, IMAGE_SECONDS, files)
                    rows.append([kind, size, str(number), *load_cells([load])])
    return table(("V2 REST", "body", "connections", *LOAD_COLUMNS), rows)


def measure_large() -> str:
    """A model of 300 MB is added while digits is asked; a table."""
    with tempfile.TemporaryDirectory(prefix="servery-bench-") as place:
        folder = Path(place)
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "digits").symlink_to(ARTIFACTS / "digits")
        built = folder / "large" / "1"
        write_large(built, LARGE_WEIGHTS)
        png = ways_to_digits()[RAW].bodies[0]
        with running(servery(folder / "artifacts")[0], folder) as started:
            quiet_until = time.monotonic() + QUIET_S
            quiet = _canary(started, png, lambda: time.monotonic() > quiet_until)
            before = memory(started.process.pid).pss
            began = time.monotonic()
            built.parent.rename(folder / "artifacts" / "large")
            meanwhile = _canary(started, png, lambda: _is_ready(started, "large"))
            appeared_s = time.monotonic() - began
            grown = memory(started.process.pid).pss - before
            metrics = Target(started.url()).snapshot()
            load_s, warm_s = (
                metrics.total(f"servery_model_{step}_seconds", model="large")
                for step in ("load", "warm")
            )
    return table(
        ("A model of 300 MB", ""),
        [
            ["from its folder being there to ready", f"{appeared_s:.1f} s"],
            ["of which read and loaded", f"{load_s:.2f} s"],
            ["of which warmed up", f"{warm_s:.2f} s"],
            ["memory of all processes, PSS", f"+{grown / MIB:,.0f} MiB"],
            ["digits at one connection before: p50, p99, longest", quiet],
            ["the same meanwhile", meanwhile],
        ],
    )


def _canary(started: Running, png: bytes, done: Callable[[], bool]) -> str:
    """Ask digits every 5 ms until something is done; how long its answers took."""
    waits, headers = list[float](), {"content-type": "image/png"}
    url = started.url("/v1/predict/digits")
    with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
        while not waits or not done():
            began = time.perf_counter()
            client.post(url, content=png).raise_for_status()
            waits.append(1000 * (time.perf_counter() - began))
            time.sleep(0.005)
    p50, p99 = np.percentile(waits, (50, 99))
    return f"{figure(p50)}, {figure(p99)}, {figure(max(waits))} ms"


def _is_ready(started: Running, name: str) -> bool:
    return name in Target(started.url()).ready_models()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=3, show_default=True, help="Of one load.")
@click.option("--rounds", default=5, show_default=True, help="Of all loads.")
def main(seconds: int, rounds: int) -> None:
    """Measure every protocol, and write docs/benchmarks-protocols.md."""
    watch, busy = Watch(), getloadavg()[0]
    facts = gather_facts(find_models(ARTIFACTS, ("digits",))["digits"])
    write_page(
        "benchmarks-protocols.md",
        image=measure_image(),
        large=measure_large(),
        loads=measure_digits(seconds, rounds),
        facts=table(("", ""), facts.items()),
        date=now(),
        others=watch.others(),
        busy=busy,
        seconds=seconds,
        rounds=rounds,
    )


if __name__ == "__main__":
    main()
