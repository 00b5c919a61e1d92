"""An HTTP process. Started by the supervisor, not by hand."""

import gc
import socket
import time
from pathlib import Path
from types import FrameType

import click
import uvicorn
from prometheus_client import CollectorRegistry

from service.engine.ipc.client import EngineClient
from service.logs import AccessLog, configure_logging
from service.metrics import Metrics
from service.processes.lifeline import end_with_parent
from service.settings import Settings
from service.web.app import create_app
from service.web.http.protocol import HttpProtocol
from service.web.state import AppState

KEEP_ALIVE_S = 75


@click.command()
@click.option("--settings", "settings_json", required=True)
@click.option("--engine-socket", type=click.Path(path_type=Path), required=True)
@click.option("--lifeline", type=int, required=True)
@click.option("--listener", type=int, required=True)
@click.option("--name", required=True)
@click.option("--restarted", is_flag=True)
def main(
    settings_json: str,
    engine_socket: Path,
    lifeline: int,
    listener: int,
    name: str,
    restarted: bool,
) -> None:
    """Parse, decode and answer until SIGTERM."""
    end_with_parent(lifeline)
    settings = Settings.model_validate_json(settings_json)
    configure_logging(settings.log_level, name)
    metrics = Metrics(CollectorRegistry())
    metrics.restarts.labels("http").inc(int(restarted))  # a series from the start
    access_log = AccessLog(name) if settings.access_log else None
    state = AppState(settings, EngineClient(engine_socket), metrics, access_log)
    config = uvicorn.Config(
        create_app(state),
        http=HttpProtocol,
        access_log=False,
        log_config=None,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
    )
    server = _DrainingServer(config, state)
    gc.collect()
    gc.freeze()
    server.run(sockets=[socket.socket(fileno=listener)])


class _DrainingServer(uvicorn.Server):
    """On SIGTERM: readiness red, serve on for the drain delay, then finish and end."""

    def __init__(self, config: uvicorn.Config, state: AppState):
        super().__init__(config)
        self._state = state
        self._leave_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._state.draining:
            self._state.draining = True
            self._leave_at = time.monotonic() + self._state.settings.drain_delay_s

    async def on_tick(self, counter: int) -> bool:
        if time.monotonic() >= self._leave_at:
            self.should_exit = True
            self._state.leaving.set()
        return await super().on_tick(counter)


if __name__ == "__main__":
    main()
