"""What computes: the runtimes and what they load, as everyone else sees them."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from service.contract.compilation import Precision, RuntimeChoice
from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors


class Model(Protocol):
    """What computes for a version: `HostedModel`, or a fake."""

    @property
    def contract(self) -> Contract:
        """What it was loaded by, with what was found to be otherwise."""

    @property
    def in_process(self) -> bool:
        """Whether it computes in this process, so that no call waits for another."""

    @property
    def alive(self) -> bool:
        """Whether the process is there in which it computes."""

    @property
    def bfloat16(self) -> Collection[str]:
        """Signatures that compute in it."""

    @property
    def divided(self) -> Collection[str]:
        """Signatures whose large batches are computed in parts.

        A batch of theirs may have any number of rows up to the largest size.
        """

    def run(self, signature: str, tensors: Tensors, /) -> Tensors:
        """Compute one batch, or one request that is not batched.

        Args:
            signature: One of the contract's.
            tensors: Its inputs, in their order: where the signature batches, as many
                rows as one of the contract's batch sizes.

        Returns:
            The signature's outputs, in its order.

        Raises:
            InvalidInput: Examples that the model cannot parse.
            ProcessDied: The process in which it computes did.
            Exception: What the model raises.
        """

    def warm(self) -> float:
        """Run every batch size once; seconds."""


@runtime_checkable
class GraphSource(Protocol):
    """A model whose graphs can be written."""

    def save(self, folder: Path, /) -> None:
        """Write graphs that TensorFlow's library can compute alone.

        Raises:
            Exception: It has some that do not stand alone.
            ProcessDied: The process in which it computes did.
        """


class Loaded(NamedTuple):
    """A version in memory, ready to compute.

    Attributes:
        model: What computes.
        choice: Why that does, where there was one.
        warm_s: Seconds that its first runs took.
    """

    model: Model
    choice: RuntimeChoice | None = None
    warm_s: float = 0.0


class Compiler(Protocol):
    """What compiles versions: `CompilerProcess`."""

    def compile(
        self,
        folder: Path,
        contract: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> None:
        """Compile a version.

        Args:
            folder: Where it lies.
            contract: What it promises.
            cache: A folder for what comes of it, beside what is there.
            precisions: By signature; others are left out. None = all, in float32.

        Raises:
            ValueError: It cannot be compiled; the message says why.
            OSError: The folder is full, or gone.
        """

    def load(
        self,
        contract: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> Model:
        """Load what was compiled.

        Args:
            contract: What it promises.
            cache: The folder that it was compiled into.
            precisions: By signature; float32 of others.

        Raises:
            ValueError: It does not compute as it is to.
            OSError: It is not there.
        """


class TensorFlow(Protocol):
    """What loads any version: `TensorFlowHost`."""

    def load(
        self, folder: Path, contract: Contract, precision: Precision | None
    ) -> Model:
        """Load a version; None = the setting's precision."""

    def start(self) -> None:
        """Get ready to load, without waiting for it."""

    def release(self) -> None:
        """Give back what it holds, if no version is left in it."""
