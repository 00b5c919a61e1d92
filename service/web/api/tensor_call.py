"""What the protocols that carry tensors do alike: find the version, ask, answer."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic_core import from_json
from starlette.requests import Request

from service.contract.contract import Contract
from service.contract.inputs import Array, arrange
from service.engine.batching.batcher import Answer
from service.engine.catalog import Catalog, VersionStatus
from service.errors import MalformedBody, ModelNotReady, VersionNotFound
from service.web.api.model_call import ModelCall
from service.web.http.body import QUICK_BYTES, read_body
from service.web.http.record import RequestRecord
from service.web.state import AppState

T = TypeVar("T")

HEAVY_BYTES = 1 << 20  # of a JSON body, from which it is parsed in another process
HEAVY_ELEMENTS = 250_000  # of outputs, from which they are written there
QUICK_ELEMENTS = 10_000  # which are written at once
BAD_REQUEST = 400  # what these protocols answer to input that is wrong


class TensorCall:
    """One request for tensors, of a model and version that its path names.

    Args:
        request: Its path has `name`, and may have `version` or `label`.

    Raises:
        ModelNotFound, VersionNotFound, ModelNotReady: It cannot answer.
    """

    def __init__(self, request: Request):
        self._record: RequestRecord = request.scope["record"]
        self._record.invalid_status = BAD_REQUEST
        self.state: AppState = request.scope["servery"]
        self._request = request
        path = request.path_params
        self._name = path["name"]
        version = read_version_number(path.get("version"))
        catalog = self.state.engine.catalog
        status = self.state.chooser.find(
            catalog, self._name, version, path.get("label")
        )
        self._record.model = self._name  # now that it is known to be one
        self.contract = contract_of(self._name, status)
        self._call = ModelCall(request, "", status.version)
        self._call.use_model(self._name)

    async def body(self) -> bytes:
        """The bytes of the body, whatever its content type says."""
        return await read_body(self._request, self.state.settings.max_body_bytes)

    async def parse(self, size: int, work: Callable[[], T]) -> T:
        """Do `work`, which reads so many bytes of JSON, where it holds nobody up.

        Args:
            size: Bytes.
            work: A function of a module with arguments that can be pickled.
        """
        began = time.perf_counter()
        if size <= QUICK_BYTES:
            result = work()
        elif size <= HEAVY_BYTES:
            result = await self.state.parse_in_thread(work)
        else:
            result = await self._in_decoder(work)
        self._record.decoded(time.perf_counter() - began)
        return result

    async def infer(self, signature: str, given: dict[str, Array]) -> Answer:
        """Have the engine compute inputs by name.

        Raises:
            InvalidInput, SignatureNotFound: See `arrange`.
            ServeryError: See `ModelCall.infer`.
        """
        tensors = arrange(self.contract, signature, given)
        return await self._call.infer(tensors, signature)

    async def write(self, outputs: tuple[Array, ...], work: Callable[[], T]) -> T:
        """Do `work`, which writes these outputs as JSON, where it holds nobody up."""
        size = sum(each.size for each in outputs)
        if size <= QUICK_ELEMENTS:
            return work()
        if size <= HEAVY_ELEMENTS:
            return await self.state.in_thread(work)
        return await self._in_decoder(work)

    def put_back(self) -> None:
        """Let those go first that cannot wait."""
        self._record.bulk = True

    def shorten_deadline(self, timeout_ms: float | None) -> None:
        """Let the caller's own timeout count, where it is the shorter one."""
        if timeout_ms is not None:
            sooner = self._record.started + timeout_ms / 1000
            self._call.deadline = min(self._call.deadline, sooner)

    async def _in_decoder(self, work: Callable[[], T]) -> T:
        call = self._call
        return await self.state.decoders.run(work, call.deadline, call.asker)


def find_status(
    catalog: Catalog, path: dict[str, Any], version: int | None
) -> VersionStatus:
    """The version that a path means.

    Raises:
        ModelNotFound, VersionNotFound, LabelNotFound, ModelNotReady: See
            `Catalog.find`.
    """
    return catalog.find(path["name"], version, path.get("label"))


def contract_of(name: str, status: VersionStatus) -> Contract:
    """The contract of a version that has been ready.

    Raises:
        ModelNotReady: It has not been.
    """
    if status.contract is None:
        raise ModelNotReady(f"{name} {status.version} is {status.state}.")
    return status.contract


def read_version_number(text: str | None) -> int | None:
    """The version in a path.

    Raises:
        VersionNotFound: It is no number that a version can have.
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or not int(text):
        raise VersionNotFound(
            f"expected a version from 1 on, a whole number; received {text[:32]!r}"
        )
    return int(text)


def read_json(body: bytes) -> Any:
    """The JSON of a body; NaN and Infinity are numbers.

    Raises:
        MalformedBody: It is none, or nested too deeply.
    """
    try:
        return from_json(body, allow_inf_nan=True)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {str(error)[:200]}.") from error


def later(function: Callable[..., T], *arguments: Any, **named: Any) -> Callable[[], T]:
    """A function with its arguments, to be done elsewhere."""
    return partial(function, *arguments, **named)
