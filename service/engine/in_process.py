"""The engine in this process, with TensorFlow in its own: for batches, for replicas."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.contract.policy import FILENAME as POLICIES
from service.engine.compute.choice import make_chooser
from service.engine.compute.tensorflow_host import TensorFlowHost
from service.engine.disk import find_folder
from service.engine.ended import ProcessEnd
from service.engine.engine import Engine
from service.metrics import Metrics
from service.processes.descriptors import raise_descriptor_limit
from service.settings import Settings


@asynccontextmanager
async def running_engine(settings: Settings, metrics: Metrics) -> AsyncIterator[Engine]:
    """An engine for the event loop that runs; it is started by who uses it.

    What is left is finished within the drain timeout, then TensorFlow's process ends.
    """
    raise_descriptor_limit()
    loop = asyncio.get_running_loop()

    def tell(end: ProcessEnd) -> None:
        with suppress(RuntimeError):  # the loop is closed: we end, too
            loop.call_soon_threadsafe(engine.process_ended, end)

    tensorflow = TensorFlowHost(settings, tell, metrics.log_lines_dropped.inc)
    engine = Engine(settings, metrics, lambda: make_chooser(settings, tensorflow))
    try:
        yield engine
    finally:
        await engine.stop()
        tensorflow.close()  # here: the loop may have no threads any more


class Selection:
    """A folder of links, in which an engine finds some models of another folder.

    Args:
        artifacts: That folder.

    Attributes:
        path: Of the links.
    """

    def __init__(self, artifacts: Path):
        self._artifacts = artifacts.absolute()
        self._folder = tempfile.TemporaryDirectory(prefix="servery-")
        self.path = Path(self._folder.name)
        policies = self._artifacts / POLICIES
        if policies.is_file():
            (self.path / POLICIES).symlink_to(policies)

    def add(self, name: str, version: int | None = None) -> None:
        """Show a model, or one version of it alone."""
        link = self.path / name
        if version is None:
            if not link.is_symlink():
                link.symlink_to(self._artifacts / name, target_is_directory=True)
            return
        link.mkdir(exist_ok=True)
        folder = find_folder(self._artifacts, name, version)
        (link / folder.name).symlink_to(folder, target_is_directory=True)

    def remove(self, name: str) -> None:
        """Show a model no longer; what is in memory of it stays there."""
        (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all links."""
        self._folder.cleanup()
