"""What the supervisor hands to each process, and how a process begins with it.

Two pipes tie them together. The supervisor holds the writing end of the lifeline, which
nobody writes to: the kernel closes it with the supervisor, even after kill -9, and the
blocking read of each child returns. And each child writes a byte to its heartbeat now
and then, while its event loop turns: one that is silent for too long is replaced.
"""

import os
import signal
import threading
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from service.logs import LogWriter, configure_logging
from service.metrics import Metrics, share_metrics
from service.settings import Settings

BEAT_S = 1.0  # between two heartbeats


class Handover(BaseModel):
    """What a process starts with.

    Attributes:
        lifeline: Like the three after it, a descriptor that it inherits.
        heartbeat: See above.
        listener: What it accepts from.
        admin_listener: And where operators are let in, if that is another port.
        blocks: By process: where it counts.
        engine: The name of the Unix socket behind which the engine is.
        journal: Where engines leave word of what they are doing, should they die of it.
        overrides: Where they leave word of what operators have told them.
        rates: Where HTTP processes count what each API key has used of its rates.
        certificates: Where they keep the last good certificate and its key, should the
            files be broken when one of them is replaced; not the engine's.
        predecessor_ended: The exit code of the one that it replaces, negative for a
            signal; None for the first.
        last_words: What that one said on stderr at last.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    settings: Settings
    lifeline: int
    heartbeat: int
    listener: int
    blocks: dict[str, int]
    engine: str
    journal: int | None = None
    overrides: int | None = None
    rates: int | None = None
    admin_listener: int | None = None
    certificates: int | None = None
    predecessor_ended: int | None = None
    last_words: tuple[str, ...] = ()

    def begin(self) -> tuple[Metrics, LogWriter]:
        """Tie this process to its supervisor; let it count and log."""
        _end_with_parent(self.lifeline)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor's to act on
        metrics = share_metrics(self.blocks[self.name], self.blocks.values())
        writer = configure_logging(
            self.settings, self.name, metrics.log_lines_dropped.inc
        )
        return metrics, writer

    def beat(self) -> None:
        """Tell the supervisor that this process is alive."""
        with suppress(OSError):  # it has long not looked, or is gone
            os.write(self.heartbeat, b".")


def _end_with_parent(fd: int) -> None:
    """End this process, at once, when the other end of the pipe `fd` is closed."""

    def wait() -> None:
        os.read(fd, 1)
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
