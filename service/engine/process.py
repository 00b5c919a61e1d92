"""The engine process, from its start to its end."""

import asyncio
import faulthandler
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import click
import uvloop

from service.engine.compute.choice import make_chooser
from service.engine.compute.tensorflow_host import TensorFlowHost
from service.engine.crashes import CrashJournal
from service.engine.ended import ProcessEnd
from service.engine.engine import Engine
from service.engine.ipc.server import start_server
from service.engine.overrides import Overrides
from service.logs import LAST_WORDS_S
from service.metrics import Metrics
from service.processes.cores import take_short_turns
from service.processes.descriptors import raise_descriptor_limit
from service.processes.handover import BEAT_S, Handover
from service.processes.memory import start_collecting
from service.tracing.start import start_exporting

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


@click.command()
@click.option("--name", required=True)
@click.option("--handover", required=True)
def main(name: str, handover: str) -> None:
    """Load the models and compute batches until SIGTERM."""
    start_collecting()
    given = Handover.model_validate_json(handover)
    metrics, log = given.begin()
    faulthandler.enable(all_threads=False)  # a fault's traceback is its last words
    take_short_turns()
    raise_descriptor_limit()  # models in another process take some each
    settings = given.settings
    exporting = start_exporting(name, settings, metrics.spans_lost.inc)
    tracer = exporting.tracer if exporting is not None else None
    uvloop.run(_serve(given, metrics, tracer))
    if exporting is not None:
        exporting.close(settings.drain_timeout_s)
    log.flush(LAST_WORDS_S)
    os._exit(0)  # a load under way would go on to its end


async def _serve(handover: Handover, metrics: Metrics, tracer: "Tracer | None") -> None:
    settings, loop = handover.settings, asyncio.get_running_loop()

    def tell(end: ProcessEnd) -> None:
        with suppress(RuntimeError):  # the loop is closed: we end, too
            loop.call_soon_threadsafe(engine.process_ended, end)

    tensorflow = TensorFlowHost(settings, tell, metrics.log_lines_dropped.inc)
    journal = CrashJournal(
        handover.journal, settings.max_crashes, settings.crash_window_s
    )
    journal.take_over(handover.predecessor_ended, "\n".join(handover.last_words))
    overrides = Overrides(handover.overrides)
    engine = Engine(
        settings,
        metrics,
        lambda: make_chooser(settings, tensorflow),
        journal,
        overrides,
        tracer,
    )
    metrics.restarts.labels("tensorflow")  # a series from the start
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await start_server(engine, socket.socket(fileno=handover.listener))
    living = asyncio.create_task(_live(engine, handover))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([living, stopping], return_when=asyncio.FIRST_COMPLETED)
    if living.done():
        living.result()  # which raises: it never ends by itself
    living.cancel()
    await engine.stop()
    server.close()


async def _live(engine: Engine, handover: Handover) -> None:
    """Load the models, and show meanwhile and from then on that the loop turns."""
    starting = asyncio.create_task(engine.start())
    try:
        while True:
            handover.beat()
            await asyncio.sleep(BEAT_S)
            if starting.done():
                starting.result()  # which may raise
    finally:
        starting.cancel()
