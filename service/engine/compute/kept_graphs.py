"""Graphs of versions, kept from their first start: later ones import no TensorFlow.

loaded before ─▶ its graphs are in the cache ─▶ TensorFlow's library opens them
for the first time ─▶ Python's TensorFlow loads it, and its graphs are written
"""

import logging
from pathlib import Path
from typing import Protocol

from service.contract.compilation import Precision, RuntimeChoice
from service.contract.contract import Contract
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.runtime import GraphSource, Model
from service.engine.compute.tensorflow_host import HostedModelError

logger = logging.getLogger(__name__)

GRAPHS = "graphs"  # in the key of an entry
CHOICE = RuntimeChoice(name="tensorflow", reason="graphs that its library computes")


class Host(Protocol):
    """What loads a version, from saved graphs too: `TensorFlowHost`."""

    def load(
        self,
        folder: Path,
        contract: Contract,
        precision: Precision | None,
        graphs: Path | None = None,
    ) -> Model:
        """Load a version."""

    def start(self) -> None:
        """Get ready to load."""

    def release(self) -> None:
        """Give back what it holds, if no version is left in it."""


class KeptGraphs:
    """Loads versions as a host does, and from graphs that were kept: a `TensorFlow`.

    Args:
        host: Loads them.
        cache: Where graphs are kept.
    """

    def __init__(self, host: Host, cache: CompiledCache):
        self._host, self._cache = host, cache
        self.start, self.release = host.start, host.release

    def load(
        self, folder: Path, contract: Contract, precision: Precision | None
    ) -> Model:
        """Load a version; graphs are kept of those that compute in float32."""
        if precision != "float32":
            return self._host.load(folder, contract, precision)
        key = self._cache.portable_key(folder, contract, GRAPHS)
        found = self._cache.find(key)
        graphs = None if found is None else found[0]
        model = self._host.load(folder, contract, precision, graphs)
        if graphs is None and isinstance(model, GraphSource):
            try:
                self._cache.store(key, CHOICE, model.save)
            except (HostedModelError, OSError) as error:
                name = f"{contract.name} {contract.version}"
                logger.info("graphs of %s are not kept: %s", name, error)
        return model
