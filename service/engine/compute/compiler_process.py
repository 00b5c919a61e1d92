"""Compiles in a process of its own, which may crash of it. Started by the engine.

    CompilerProcess.compile ── Order on stdin ──▶ main: OpenVINORuntime.compile, then
                            ◀─ Outcome on stdout ─      once all that it has compiled
    CompilerProcess.load ─▶ OpenVINORuntime.load, here

OpenVINO's native code reads what strangers have made. It does so once for a version and
a processor: what is compiled is kept, and later starts only load it.
"""

import faulthandler
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel, ConfigDict

from service.contract.compilation import Precision
from service.contract.contract import Contract
from service.engine.compute.runtime import Model
from service.engine.crashes import describe_end
from service.processes.last_words import LastWords
from service.processes.parent import die_with_parent

if TYPE_CHECKING:
    from service.engine.compute.openvino_runtime import OpenVINORuntime

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "service.engine.compute.compiler_process")
MOST_S = 300.0  # for a version: far more than the largest ones take


class CompilerDied(ValueError):
    """It crashed over a version, or came to no end; the message says how."""


class Order(BaseModel):
    """A version that is to be compiled."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    contract: Contract
    cache: Path
    threads: int
    precisions: dict[str, Precision] | None = None


class Outcome(BaseModel):
    """What came of it.

    Attributes:
        obstacle: Why it cannot be compiled, if so.
        failure: What the system refused meanwhile, if it did.
    """

    model_config = ConfigDict(frozen=True)

    obstacle: str | None = None
    failure: str | None = None


class CompilerProcess:
    """Compiles versions in processes, one each, and loads what they leave behind.

    Args:
        threads: See `OpenVINORuntime`.
        command: That starts such a process.
        most_s: Seconds that it may take.
    """

    def __init__(
        self, threads: int, command: Sequence[str] = COMMAND, most_s: float = MOST_S
    ):
        self._threads, self._command, self._most_s = threads, command, most_s

    def compile(
        self,
        folder: Path,
        contract: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> None:
        """Compile a version, and compute it once at every size; see `Compiler`.

        Raises:
            CompilerDied: Its process did.
            ValueError: It cannot be compiled.
            OSError: The folder cannot be written, or no process be started.
        """
        order = Order(
            folder=folder.absolute(),
            contract=contract.model_copy(update={"constants": {}}),  # endpoints' own
            cache=cache.absolute(),
            threads=self._threads,
            precisions=None if precisions is None else dict(precisions),
        )
        try:
            ended = subprocess.run(
                self._command,
                input=order.model_dump_json().encode(),
                capture_output=True,
                timeout=self._most_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            text = f"its compiler came to no end within {self._most_s:g} s"
            raise CompilerDied(text) from error
        words = LastWords("the compiler")
        words.feed(ended.stderr)
        words.end()
        if ended.returncode or not ended.stdout:
            how = f"its compiler ended {describe_end(ended.returncode)}"
            logger.error("%s %d: %s%s", *_key(contract), how, words.quoted())
            raise CompilerDied(how)
        outcome = Outcome.model_validate_json(ended.stdout.splitlines()[-1])
        if outcome.failure is not None:
            raise OSError(outcome.failure)
        if outcome.obstacle is not None:
            raise ValueError(outcome.obstacle)

    def load(
        self,
        contract: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> Model:
        """Load what was compiled into a folder; see `Compiler`."""
        return self._runtime.load(contract, cache, precisions)

    @cached_property
    def _runtime(self) -> "OpenVINORuntime":
        from service.engine.compute.openvino_runtime import OpenVINORuntime

        return OpenVINORuntime(self._threads)


def _key(contract: Contract) -> tuple[str, int]:
    return contract.name, contract.version


def main() -> None:
    """Compile the version that is ordered on stdin, and say what came of it."""
    die_with_parent()
    faulthandler.enable(all_threads=False)  # a fault's traceback is its last words
    order = Order.model_validate_json(sys.stdin.buffer.read())
    click.echo(_carry_out(order).model_dump_json())
    os._exit(0)  # nothing that is left can crash


def _carry_out(order: Order) -> Outcome:
    try:
        from service.engine.compute.openvino_runtime import OpenVINORuntime

        runtime = OpenVINORuntime(order.threads)
        runtime.compile(order.folder, order.contract, order.cache, order.precisions)
        runtime.load(order.contract, order.cache, order.precisions).warm()
    except OSError as error:
        return Outcome(failure=str(error))
    except Exception as error:  # noqa: BLE001 - whatever native code raises
        traceback.print_exc()
        return Outcome(obstacle=str(error) or type(error).__name__)
    return Outcome()


if __name__ == "__main__":
    main()
