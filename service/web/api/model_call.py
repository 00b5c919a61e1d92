"""What all endpoints of models do alike: read, decode, ask the engine, answer."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from service.contract.contract import Contract
from service.contract.task import SERVING
from service.engine.batching.batcher import Answer
from service.engine.batching.tensors import Tensors, count_rows, merge_rows
from service.engine.texts.request import TextRequest
from service.errors import EngineGone, ModelNotFound, ModelNotReady, TooManyRows
from service.web.api.schemas import FilesRequest, how_to_get
from service.web.api.text_call import TextCall
from service.web.http.body import (
    JSON,
    RequestModel,
    check_count,
    is_large,
    media_type,
    parse_json,
    read_body,
    refuse,
)
from service.web.http.limits import read_bulk, read_timeout_ms
from service.web.http.multipart import MULTIPART, parse_files
from service.web.http.negotiation import choose
from service.web.http.record import RequestRecord

if TYPE_CHECKING:
    from service.web.state import AppState

T = TypeVar("T")
Schema = TypeVar("Schema", bound=RequestModel)

MISSING_RETRY_S = 60  # to build a model takes minutes


class ModelCall:
    """One request to a model on its way through.

    Args:
        request: As FastAPI hands it over.
        model: The name of the model that is asked; empty where only the body tells,
            which `use_model` then says.
        version: None means the newest that is ready.
        shipped: Whether the model is one of ours, for which there is a command if it is
            missing; others are unknown then.
    """

    def __init__(
        self,
        request: Request,
        model: str,
        version: int | None,
        *,
        shipped: bool = True,
    ):
        self._request, self._shipped = request, shipped
        self._version = version
        self.state: AppState = request.scope["servery"]
        self._record: RequestRecord = request.scope["record"]
        settings = self.state.settings
        asked_ms = read_timeout_ms(self._record.headers, settings.max_timeout_ms)
        self._record.bulk = read_bulk(self._record.headers)
        self._asked_ms = asked_ms
        timeout_ms = asked_ms or settings.timeout_ms
        self.deadline = self._record.started + timeout_ms / 1000
        if model:
            self.use_model(model)

    def use_model(self, model: str) -> None:
        """Ask this model from now on.

        Raises:
            ModelNotReady, VersionNotFound: It cannot answer.
            ServeryError: The caller may not ask it; see `Access.check`.
        """
        self.state.access.check(self._record, model)
        self._model = model
        if self._shipped:
            self._record.model = model
        self._check_there()
        self._record.model = model  # now that it is known to be one
        timeout_ms = self.state.engine.catalog.models[model].policy.timeout_ms
        if timeout_ms and not self._asked_ms:
            self.deadline = self._record.started + timeout_ms / 1000

    @property
    def asker(self) -> str:
        """Who asks; see `RequestRecord.asker`."""
        return self._record.asker

    def pin(self) -> Contract:
        """The contract of the version that answers; from now on no other one does.

        For endpoints that need it before they ask, or that ask more than once.
        """
        catalog = self.state.engine.catalog
        status = self.state.chooser.find(catalog, self._model, self._version)
        self._version = status.version
        assert status.contract is not None  # ready versions have one  # noqa: S101
        return status.contract

    def choose(self, *offers: str) -> str:
        """The kind of answer that the caller wants, of those that there are.

        Raises:
            NotAcceptable: None of them; see `service.web.http.negotiation`.
        """
        return choose(self._request.headers.get("accept"), offers)

    async def body(self, *kinds: str) -> tuple[str, bytes]:
        """The media type and the bytes of the body.

        Args:
            kinds: The media types that the endpoint reads; `image/*` is any image.

        Raises:
            UnsupportedMediaType, BodyTooLarge: See `service.web.http.body`.
        """
        kind = media_type(self._record.headers)
        if kind not in kinds and f"{kind.partition('/')[0]}/*" not in kinds:
            raise refuse(kind, *kinds)
        return kind, await read_body(self._request, self.state.settings.max_body_bytes)

    async def json(self, schema: type[Schema]) -> Schema:
        """The body as an instance of `schema`.

        Raises:
            MalformedBody, InvalidInput: See `service.web.http.body.parse_json`.
        """
        _, body = await self.body(JSON)
        return await self.parse(body, schema)

    async def parse(self, body: bytes, schema: type[Schema]) -> Schema:
        """These bytes as an instance of `schema`, which stand for a body.

        Raises:
            MalformedBody, TooManyRows, InvalidInput: See `parse_json`.
        """
        settings = self.state.settings
        work = partial(
            parse_json,
            body,
            schema,
            max_rows=settings.max_request_rows,
            max_values=settings.max_json_values,
        )
        return await self.parse_by(body, work)

    async def json_or_nothing(self, schema: type[Schema]) -> Schema:
        """The body as an instance of `schema`; no body is an empty object.

        Raises:
            MalformedBody, InvalidInput: See `service.web.http.body.parse_json`.
        """
        kinds = (JSON,) if media_type(self._record.headers) else ("",)
        _, body = await self.body(*kinds)
        if body and kinds != (JSON,):
            raise refuse("", JSON)
        return await self.parse(body or b"{}", schema)

    async def files(self, schema: type[FilesRequest]) -> list[bytes]:
        """The files in the body: multipart, raw or base64 in JSON.

        Raises:
            MalformedBody, InvalidInput, TooManyRows: See `parse_json`, `parse_files`.
        """
        kind, body = await self.body(MULTIPART, schema.media, JSON)
        if kind == MULTIPART:
            content_type = self._record.headers[b"content-type"]
            most = self.state.settings.max_request_rows
            work = partial(parse_files, content_type, body, most)
            return await self.parse_by(body, work)
        if kind == JSON:
            return (await self.parse(body, schema)).rows()
        return [body]

    def check_count(self, count: int) -> None:
        """Refuse more rows than a request may have, before they are decoded.

        Raises:
            TooManyRows: More than `max_request_rows`.
        """
        check_count(count, self.state.settings.max_request_rows)

    def hold(self, rows: int, row_bytes: int) -> None:
        """Take room for what is decoded, and what the model gives for it, to the end.

        Args:
            rows: How many.
            row_bytes: Of one.

        Raises:
            TooManyRows: More bytes than one process holds at all.
            Unavailable: More than it can hold beside those of other requests.
        """
        most, size = self.state.settings.max_decoded_bytes, rows * row_bytes
        if size > most:
            raise TooManyRows(
                f"The request is too large: expected at most {most:,} bytes as the "
                f"model takes and gives them, received {rows:,} × {row_bytes:,}."
            )
        self.state.accounting.hold(self._record, size)

    async def decode(self, work: Callable[[], T], *, in_thread: bool) -> T:
        """Make rows of what was sent, on the clock of the stage `decode`.

        Args:
            work: Gives the rows, or what they are made of.
            in_thread: Whether it takes so long that others should not wait for it.
        """
        began = time.perf_counter()
        result = await self._do(work, in_thread=in_thread)
        self._record.decoded(time.perf_counter() - began)
        return result

    async def read_images(
        self,
        images: Sequence[bytes],
        read: Callable[..., np.ndarray],
        fields: Sequence[str] = (),
    ) -> Tensors:
        """Decode images in another process, on the clock of the stage `decode`.

        Args:
            images: The files.
            read: See `DecoderPool.read`.
            fields: See there.

        Raises:
            ServeryError: See `DecoderPool.read`.
            ClientDisconnectedError: Nobody waits for the answer any more.
        """
        work = self.state.decoders.read(images, read, self.deadline, fields, self.asker)
        return (await self.wait_for_decoders(work),)

    async def wait_for_decoders(self, work: Coroutine[Any, Any, T]) -> T:
        """What decoders make of what was sent, on the clock of the stage `decode`.

        Raises:
            ServeryError: What `work` raised.
            ClientDisconnectedError: Nobody waits for the answer any more.
        """
        began = time.perf_counter()
        result: T = await self._record.wait_for(asyncio.ensure_future(work))
        self._record.decoded(time.perf_counter() - began)
        return result

    async def encode(self, work: Callable[[], T], *, in_thread: bool) -> T:
        """Make what is sent of an answer, on the clock of the stage `encode`.

        Args:
            work: Gives it.
            in_thread: Whether it takes so long that others should not wait for it.
        """
        began, stages = time.perf_counter(), self._record.stages
        result = await self._do(work, in_thread=in_thread)
        took = time.perf_counter() - began
        stages["encode"] = stages.get("encode", 0.0) + took
        return result

    async def infer(self, rows: Tensors, signature: str = SERVING) -> Answer:
        """Have the engine compute `rows`; a caller that hangs up takes them back.

        Raises:
            RateExceeded: They are more than the caller may have computed now.
            ServeryError: See `Engine.submit` and `Batcher.submit`.
            ClientDisconnectedError: Nobody waits for the answer any more.
        """
        self._take(count_rows(rows))
        return await self._infer(rows, signature)

    async def infer_in_turn(self, groups: Sequence[Tensors]) -> Answer:
        """Have the engine compute one group of rows after the other.

        So that a request of many dear rows keeps no more of the engine busy than one
        group does, and others get their turn in between.

        Raises:
            ServeryError, ClientDisconnectedError: See `infer`.
        """
        self._take(sum(map(count_rows, groups)))
        if len(groups) == 1:
            return await self._infer(groups[0], SERVING)
        self.pin()
        answers = [await self._infer(rows, SERVING) for rows in groups]
        outputs = merge_rows([answer.outputs for answer in answers])
        return replace(answers[-1], outputs=outputs)

    @property
    def record(self) -> RequestRecord:
        """Of the request."""
        return self._record

    def write(self, request: TextRequest) -> TextCall:
        """Have the engine write texts.

        Raises:
            TooManyRows, RateExceeded: See `TextCall`.
        """
        self._asked = self.state.engine.catalog
        link = self._record.link if request.streams else None
        if link is not None:
            link.narrow()
        version = self._version or self._expected_version()
        return TextCall(
            *(self.state, self._record, self._model, version, request, self.deadline),
            on_unread=link.drop_unread if link is not None else None,
        )

    def _take(self, rows: int) -> None:
        self.state.access.take(self._record, rows)
        self._record.rows = rows

    async def _infer(self, rows: Tensors, signature: str) -> Answer:
        self._asked = self.state.engine.catalog
        self._record.version = self._version or self._expected_version()
        future = self.state.engine.submit(
            *(self._model, self._version, signature, rows, self.deadline),
            request_id=self._record.name_in_engine,
            turn=self._record.turn,
        )
        answer: Answer = await self._record.wait_for(future)
        self._record.answered(answer)
        self.state.drift.watch(self._record, self._model, signature, rows, answer)
        return answer

    def _expected_version(self) -> int | None:
        """The one that is to answer, should none; unknown where there is a canary."""
        model = self._asked.models.get(self._model)
        if model is None or model.default is None or model.policy.canary is not None:
            return None
        return model.default.version

    def contract(self, answer: Answer) -> Contract:
        """The contract of the version that answered, even if it has retired since."""
        for catalog in (self.state.engine.catalog, self._asked):
            contract = catalog.contract(self._model, answer.version)
            if contract is not None:
                return contract
        raise EngineGone("The engine stopped while answering; it is restarting.")

    def respond(
        self, answer: Answer, rows: list[dict[str, Any]], field: str = "predictions"
    ) -> Response:
        """Answer with what is said of each row, under this name."""
        content = {"model": self._model, "version": answer.version, field: rows}
        return Response(to_json(content), media_type=JSON)

    def count(self, labels: Iterable[str]) -> None:
        """Have it counted what is answered, by its labels."""
        self._record.labels = tuple(labels)

    async def parse_by(self, body: bytes, work: Callable[[], T]) -> T:
        """Do `work`, which reads `body`, here; or where a large one holds nobody up."""
        if is_large(body):
            return await self.state.parse_in_thread(work)
        return work()

    async def _do(self, work: Callable[[], T], *, in_thread: bool) -> T:
        return await self.state.in_thread(work) if in_thread else work()

    def _check_there(self) -> None:
        """Fail before the body is read; a model of ours is never unknown."""
        try:
            self.state.engine.catalog.find(self._model, self._version)
        except ModelNotFound as error:
            if not self._shipped:
                raise
            raise ModelNotReady(
                f"{self._model} is not in the artifacts folder yet; to get it: "
                f"{how_to_get(self._model)}",
                retry_after_s=MISSING_RETRY_S,
            ) from error
