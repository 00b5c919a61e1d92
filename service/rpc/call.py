"""One RPC on its way through: what a handler asks of the engine."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from service.contract.contract import Contract, from_manifest
from service.contract.inputs import arrange
from service.engine.batching.batcher import Answer
from service.engine.catalog import VersionStatus
from service.engine.commands import Command
from service.engine.texts.request import TextRequest
from service.errors import Forbidden, ModelNotReady
from service.web.api.admin import authorize, carry_out
from service.web.api.text_call import TextCall
from service.web.http.limits import read_bulk
from service.web.http.record import RequestRecord
from service.web.state import AppState

T = TypeVar("T")
Array = np.ndarray

ELSEWHERE = "Administration is closed over gRPC: expected it on its own port, by HTTP."
MANY_VALUES = 1 << 14  # strings of so many take about a millisecond


class RpcCall:
    """What the handlers of all services see.

    Args:
        state: What all requests share.
        record: Of this one.
        seconds: That the caller gives it; None if it says nothing.

    Attributes:
        deadline: `time.monotonic()` at which the answer is worth nothing.
        is_long: Whether its message is so long that others should not wait for it.
    """

    def __init__(self, state: AppState, record: RequestRecord, seconds: float | None):
        self.state, self.record = state, record
        self.is_long = False
        settings = state.settings
        most = settings.max_timeout_ms / 1000
        allowed = settings.timeout_ms / 1000 if seconds is None else min(seconds, most)
        self.deadline = record.started + allowed
        self._patience = record.started + (most if seconds is None else allowed)

    def find(
        self, model: str, version: int | None, label: str | None = None
    ) -> Contract:
        """The contract of the version that is asked.

        Args:
            model: Its model's name.
            version: None means the default.
            label: In place of a version, the label of one.

        Raises:
            ModelNotFound, VersionNotFound, LabelNotFound, ModelNotReady: See
                `Catalog.find`.
        """
        catalog = self.state.engine.catalog
        contract = contract_of(self.state.chooser.find(catalog, model, version, label))
        self.record.model = model  # a name that is known: it labels metrics
        return contract

    async def administrate(self, command: Command) -> None:
        """Have the engine do what an operator says, who shows the token as metadata.

        To load takes its time: who says nothing of time gives all that there is.

        Raises:
            Forbidden, Unauthenticated, ServeryError: See `carry_out`.
        """
        await carry_out(self.state, self._authorization(), command, self._patience)

    def check_authorized(self) -> None:
        """See whether the caller may administrate.

        Raises:
            Forbidden, Unauthenticated: Nobody may; it is another token.
        """
        authorize(self.state, self._authorization())

    def _authorization(self) -> str | None:
        """What is shown as the token.

        Raises:
            Forbidden: Operators have a port of their own, which is HTTP's.
        """
        if self.state.settings.admin_port:
            raise Forbidden(ELSEWHERE)
        shown = self.record.headers.get(b"authorization")
        return None if shown is None else str(shown, "latin-1")

    async def decode(self, work: Callable[[], T]) -> T:
        """Make arrays of the message: in a thread, where it is long."""
        return await self.state.in_thread(work) if self.is_long else work()

    async def encode(self, outputs: Sequence[Array], work: Callable[[], T]) -> T:
        """Make a message of outputs: in a thread, where they have many values."""
        is_long = sum([array.size for array in outputs]) > MANY_VALUES
        return await self.state.in_thread(work) if is_long else work()

    def write(self, contract: Contract, request: TextRequest) -> TextCall:
        """Have the engine write texts; who does not read them is cancelled.

        Raises:
            ServeryError: See `Access` and `TextCall`.
        """
        record, task = self.record, asyncio.current_task()
        self.state.access.check(record, contract.name)
        record.bulk |= read_bulk(record.headers)
        return TextCall(
            *(self.state, record, contract.name, contract.version),
            *(request, self.deadline),
            on_unread=task.cancel if task is not None else None,
        )

    async def infer(
        self,
        contract: Contract,
        signature: str,
        inputs: Mapping[str, Array],
        timeout_ms: float | None = None,
    ) -> Answer:
        """Have the engine compute.

        Args:
            contract: Of the version that is to answer.
            signature: The name of one of its signatures.
            inputs: An array for each input, by name.
            timeout_ms: What the caller's protocol says of time, beside gRPC.

        Raises:
            ServeryError: See `Access`, `arrange` and `Engine.submit`.
        """
        access = self.state.access
        access.check(self.record, contract.name)
        arrays = arrange(contract, signature, inputs)
        record = self.record
        record.decoded(time.monotonic() - record.started)
        record.version = contract.version
        record.bulk |= read_bulk(record.headers)
        batches = contract.batches(signature)
        access.take(record, len(arrays[0]) if batches else 1)
        if batches:
            record.rows = len(arrays[0])
        deadline = self.deadline
        if timeout_ms is not None:
            deadline = min(deadline, record.started + timeout_ms / 1000)
        answer: Answer = await record.wait_for(
            self.state.engine.submit(
                *(contract.name, contract.version, signature, arrays, deadline),
                request_id=record.name_in_engine,
                turn=record.turn,
            )
        )
        record.answered(answer)
        return answer


def contract_of(status: VersionStatus) -> Contract:
    """The contract of a version.

    Raises:
        ModelNotReady: It is not known yet.
    """
    contract: Contract | None = getattr(status, "contract", None)
    if contract is not None:
        return contract
    if status.manifest is None:
        raise ModelNotReady(f"version {status.version} is {status.state}.")
    return from_manifest(status.manifest)
