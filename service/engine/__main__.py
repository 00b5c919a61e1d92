"""The engine process. Started by the supervisor, not by hand."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import click
import uvloop
from prometheus_client import CollectorRegistry

from service.engine.crashes import CrashJournal
from service.engine.engine import Engine
from service.engine.ipc.server import bind_socket, start_server
from service.engine.loading import Loader
from service.engine.stderr import StderrFile
from service.logs import configure_logging
from service.metrics import Metrics
from service.processes.lifeline import end_with_parent
from service.settings import Settings

STDERR_S = 1.0  # how often what native code has written is logged
SWITCH_INTERVAL_S = 0.0005  # of threads; Python's 5 ms is a request's whole time


@click.command()
@click.option("--settings", "settings_json", required=True)
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), required=True)
@click.option("--lifeline", type=int, required=True)
@click.option("--restarted", is_flag=True)
@click.option("--predecessor-ended", type=int, help="Its exit code.")
def main(
    settings_json: str,
    socket_path: Path,
    lifeline: int,
    restarted: bool,
    predecessor_ended: int | None,
) -> None:
    """Load the models and compute batches until SIGTERM."""
    end_with_parent(lifeline)
    settings = Settings.model_validate_json(settings_json)
    configure_logging(settings.log_level, "engine")
    stderr = StderrFile(socket_path.parent / "engine.stderr")
    journal = CrashJournal(
        socket_path.parent, settings.max_crashes, settings.crash_window_s
    )
    journal.take_over(predecessor_ended, stderr.last_words)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    metrics = Metrics(CollectorRegistry())
    metrics.restarts.labels("engine").inc(int(restarted))  # a series from the start
    uvloop.run(_serve(settings, metrics, journal, stderr, socket_path))
    sys.stdout.flush()
    os._exit(0)  # a thread that loads cannot be interrupted, and is not waited for


async def _serve(
    settings: Settings,
    metrics: Metrics,
    journal: CrashJournal,
    stderr: StderrFile,
    path: Path,
) -> None:
    def make_loader() -> Loader:
        from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

        return TensorFlowRuntime(
            settings.device,
            settings.number_of_tensorflow_threads(),
            settings.tensorflow_threads or None,
            settings.precision,
        )

    engine = Engine(settings, metrics, make_loader, journal)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await start_server(engine, bind_socket(path))
    log_stderr = asyncio.create_task(_log_stderr(stderr, engine))
    start = asyncio.create_task(engine.start())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([start, stopped], return_when=asyncio.FIRST_COMPLETED)
    if start.done():
        start.result()  # or what went wrong
    await stopped
    start.cancel()
    await engine.stop()
    server.close()
    log_stderr.cancel()
    stderr.drain()


async def _log_stderr(stderr: StderrFile, engine: Engine) -> None:
    """Log what native code writes; its greetings while models load are for nobody."""
    while True:
        await asyncio.sleep(STDERR_S)
        stderr.drain(logging.INFO if engine.catalog.settled else logging.DEBUG)


if __name__ == "__main__":
    main()
