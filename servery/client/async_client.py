"""`servery.AsyncClient`: calls a running service, and awaits."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from itertools import count as count_up
from typing import Any, Literal, TypeVar, Unpack, overload

import httpx

from servery.client import requests
from servery.client.answers import (
    Generated,
    GeneratedImages,
    GeneratedTexts,
    Model,
    Prediction,
    TextPiece,
)
from servery.client.client import AHEAD, Outcome, raise_error
from servery.client.connection import POLL_S, URL, Connection, check, is_there, too_late
from servery.client.events import Pieces
from servery.client.inputs import One, Several, group, rows_per_request, spread
from servery.client.progress import count, show_progress
from servery.client.requests import CONCURRENCY, Call, ManyOptions, Options
from servery.client.tensors import Array
from servery.errors import (
    ConnectionFailed,
    InvalidInput,
    NotFound,
    ServeryError,
    Unavailable,
)
from servery.trust import File, Trust

T = TypeVar("T")


class AsyncClient:
    """Calls a running service, in one event loop. See `Client` for its arguments.

    Files are read, and images packed, in threads. Whoever cancels a call takes it back
    from the server too.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        timeout_s: float | None = None,
        retries: int = 6,
        longest_wait_s: float = 10.0,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        ca: File | None = None,
        certificate: File | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ):
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._connection = Connection(
            url,
            {**key, **(headers or {})},
            timeout_s,
            retries,
            longest_wait_s,
            Trust(ca, certificate),
        )
        options = self._connection.options()
        self._http = httpx.AsyncClient(transport=transport, **options)
        self._known: dict[str, Model] = {}

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.url!r})"

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @overload
    async def predict(
        self, model: str, given: Several, **options: Unpack[ManyOptions]
    ) -> list[Prediction]: ...

    @overload
    async def predict(
        self, model: str, given: One, **options: Unpack[ManyOptions]
    ) -> Prediction: ...

    @overload
    async def predict(
        self, model: str, given: Any, **options: Unpack[ManyOptions]
    ) -> Any: ...

    async def predict(
        self,
        model: str,
        given: Any,
        *,
        version: int | None = None,
        top_k: int | None = None,
        timeout_s: float | None = None,
        concurrency: int = CONCURRENCY,
        progress: bool | None = None,
    ) -> Any:
        """Ask what a model says of one input, or of several; see `Client.predict`."""
        known = await self._describe(model)
        options = Options(version, top_k, timeout_s, concurrency, progress)
        several = spread(given, known)
        if several is None:
            return (await self._predict(known, [given], options))[0]
        async with aclosing(self._answer(several, known, options)) as outcomes:
            return [raise_error(outcome) async for outcome in outcomes]

    @overload
    def predict_each(
        self, model: str, given: Iterable[Any], **options: Unpack[ManyOptions]
    ) -> AsyncIterator[Prediction]: ...

    @overload
    def predict_each(
        self,
        model: str,
        given: Iterable[Any],
        *,
        return_errors: Literal[True],
        **options: Unpack[ManyOptions],
    ) -> AsyncIterator[Outcome]: ...

    async def predict_each(
        self,
        model: str,
        given: Iterable[Any],
        *,
        version: int | None = None,
        top_k: int | None = None,
        timeout_s: float | None = None,
        concurrency: int = CONCURRENCY,
        progress: bool | None = None,
        return_errors: bool = False,
    ) -> AsyncIterator[Any]:
        """Ask for one prediction after the other; see `Client.predict_each`."""
        known = await self._describe(model)
        options = Options(version, top_k, timeout_s, concurrency, progress)
        async with aclosing(self._answer(given, known, options)) as outcomes:
            async for outcome in outcomes:
                yield outcome if return_errors else raise_error(outcome)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str | None = None,
        version: int | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Array]:
        """Call a model by the tensors of its signature; see `Client.infer`."""
        known = await self._describe(model)
        call = requests.infer(known, inputs, signature, version, outputs)
        return await self._call(known, call, timeout_s)

    @overload
    async def generate(
        self,
        model: str,
        *,
        prompt: str,
        category: str | None = None,
        count: int | None = None,
        seed: int | None = None,
        version: int | None = None,
        timeout_s: float | None = None,
        **wanted: Any,
    ) -> GeneratedTexts: ...

    @overload
    async def generate(
        self,
        model: str,
        *,
        category: str | None = None,
        count: int | None = None,
        seed: int | None = None,
        version: int | None = None,
        timeout_s: float | None = None,
        **wanted: Any,
    ) -> GeneratedImages: ...

    async def generate(
        self,
        model: str,
        *,
        prompt: str | None = None,
        category: str | None = None,
        count: int | None = None,
        seed: int | None = None,
        version: int | None = None,
        timeout_s: float | None = None,
        **wanted: Any,
    ) -> Generated:
        """Have a model draw images, or write texts; see `Client.generate`."""
        asked = {"prompt": prompt, "category": category, "count": count}
        body = {**asked, "seed": seed, **wanted}
        return await self._send(requests.generate(model, version, body), timeout_s)

    async def stream(
        self,
        model: str,
        *,
        version: int | None = None,
        timeout_s: float | None = None,
        **wanted: Any,
    ) -> AsyncGenerator[TextPiece, None]:
        """Have a model write, and read along; see `Client.stream`."""
        call, pieces = requests.stream(model, version, wanted), Pieces()
        request = self._connection.request(call, timeout_s)
        try:
            async with self._http.stream(**request) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                check(response)
                async for line in response.aiter_lines():
                    for piece in pieces.feed(line):
                        yield piece
        except httpx.HTTPError as error:
            raise self._connection.explain(error) from error
        pieces.check_whole()

    async def models(self) -> list[Model]:
        """All models that the service knows."""
        return await self._send(requests.list_models())

    async def model(self, name: str) -> Model:
        """One model, as it is now; see `Client.model`."""
        self._known[name] = found = await self._send(requests.show_model(name))
        return found

    async def wait_for(
        self, name: str, version: int | None = None, *, timeout_s: float = 60.0
    ) -> Model:
        """Wait until a model is there; see `Client.wait_for`."""
        end, found = time.monotonic() + timeout_s, None
        while True:
            with suppress(NotFound, Unavailable, ConnectionFailed):
                found = await self.model(name)
            if found and is_there(found, version):
                return found
            if time.monotonic() > end:
                raise too_late(name, found, version, timeout_s)
            await asyncio.sleep(POLL_S)

    async def _describe(self, name: str) -> Model:
        if name not in self._known:
            try:
                return await self.model(name)
            except NotFound:
                return Model(name)
        return self._known[name]

    async def _answer(
        self, given: Iterable[Any], model: Model, options: Options
    ) -> AsyncGenerator[Outcome, None]:
        ahead: deque[asyncio.Task[list[Outcome]]] = deque()
        places = asyncio.Semaphore(options.concurrency)

        async def work(several: list[Any]) -> list[Outcome]:
            async with places:
                return await self._try(model, several, options)

        with show_progress(
            model.name, count(given), wanted=options.progress
        ) as advance:
            try:
                for several in group(given, rows_per_request(model)):
                    ahead.append(asyncio.create_task(work(several)))
                    if len(ahead) >= AHEAD * options.concurrency:
                        for outcome in advance(await ahead.popleft()):
                            yield outcome
                while ahead:
                    for outcome in advance(await ahead.popleft()):
                        yield outcome
            finally:
                for task in ahead:
                    task.cancel()
                await asyncio.gather(*ahead, return_exceptions=True)

    async def _try(
        self, model: Model, several: list[Any], options: Options
    ) -> list[Outcome]:
        try:
            return [*await self._predict(model, several, options)]
        except InvalidInput as error:
            if len(several) == 1:
                return [error]
            return [(await self._try(model, [each], options))[0] for each in several]
        except ServeryError as error:
            return [error] * len(several)

    async def _predict(
        self, model: Model, several: list[Any], options: Options
    ) -> list[Prediction]:
        call = await asyncio.to_thread(requests.predict, model, several, options)
        return await self._call(model, call, options.timeout_s)

    async def _call(self, model: Model, call: Call[T], timeout_s: float | None) -> T:
        try:
            return await self._send(call, timeout_s)
        except (InvalidInput, NotFound):
            self._known.pop(model.name, None)
            raise

    async def _send(self, call: Call[T], timeout_s: float | None = None) -> T:
        for tried in count_up():
            try:
                return await self._send_once(call, timeout_s)
            except ServeryError as error:
                wait_s = self._connection.wait_s(error, tried, call)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _send_once(self, call: Call[T], timeout_s: float | None) -> T:
        try:
            request = self._connection.request(call, timeout_s)
            response = await self._http.request(**request)
        except httpx.HTTPError as error:
            raise self._connection.explain(error) from error
        check(response)
        return call.read(response)
