"""The engine process. Started by the supervisor, not by hand."""

import asyncio
import signal
import sys
from pathlib import Path

import click
import uvloop
from prometheus_client import CollectorRegistry

from service.engine.engine import Engine, Loader
from service.engine.ipc.server import bind_socket, start_server
from service.logs import configure_logging
from service.metrics import Metrics
from service.processes.lifeline import end_with_parent
from service.settings import Settings

SWITCH_INTERVAL_S = 0.0005  # of threads; Python's 5 ms is a request's whole time


@click.command()
@click.option("--settings", "settings_json", required=True)
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), required=True)
@click.option("--lifeline", type=int, required=True)
@click.option("--restarted", is_flag=True)
def main(settings_json: str, socket_path: Path, lifeline: int, restarted: bool) -> None:
    """Load the models and compute batches until SIGTERM."""
    end_with_parent(lifeline)
    settings = Settings.model_validate_json(settings_json)
    configure_logging(settings.log_level, "engine")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    metrics = Metrics(CollectorRegistry())
    metrics.restarts.labels("engine").inc(int(restarted))  # a series from the start
    uvloop.run(_serve(settings, metrics, socket_path))


async def _serve(settings: Settings, metrics: Metrics, path: Path) -> None:
    def make_loader() -> Loader:
        from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

        return TensorFlowRuntime(
            settings.device,
            settings.number_of_tensorflow_threads(),
            settings.tensorflow_threads or None,
            settings.precision,
        )

    engine = Engine(settings, metrics, make_loader)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await start_server(engine, bind_socket(path))
    await engine.start()
    await stop.wait()
    await engine.stop()
    server.close()


if __name__ == "__main__":
    main()
