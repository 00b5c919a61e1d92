"""`servery.Client`: calls a running service, and waits."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
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
Outcome = Prediction | ServeryError

AHEAD = 4  # requests that are taken up in advance, for each that is under way


class Client:
    """Calls a running service. Several threads may use one.

    Args:
        url: Where the service is, with the prefix that a proxy may have put before it.
        timeout_s: Seconds that one try of a call may take; the server is told, by
            X-Request-Timeout-Ms. By default its own deadline holds.
        retries: How often a call is repeated that was refused with 503, after the time
            that the server names; or that met nobody, or whose connection broke off.
        longest_wait_s: Seconds between two tries; a server that asks for more of them
            is not waited for.
        api_key: Sent as `Authorization: Bearer …`.
        headers: Sent with every request.
        ca: A file of certificates in PEM, whom to trust for https; by default those
            that ship with httpx.
        certificate: A file with a certificate and its key in PEM, for a service that
            asks callers for one.
        transport: An httpx transport in place of the network.

    Raises:
        InvalidInput: The URL is none, or a file is not what it should be.
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
        transport: httpx.BaseTransport | None = None,
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
        self._http = httpx.Client(transport=transport, **self._connection.options())
        self._known: dict[str, Model] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.url!r})"

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @overload
    def predict(
        self, model: str, given: Several, **options: Unpack[ManyOptions]
    ) -> list[Prediction]: ...

    @overload
    def predict(
        self, model: str, given: One, **options: Unpack[ManyOptions]
    ) -> Prediction: ...

    @overload
    def predict(
        self, model: str, given: Any, **options: Unpack[ManyOptions]
    ) -> Any: ...

    def predict(
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
        """Ask what a model says of one input, or of each of several.

        Args:
            model: Its name.
            given: An image or a sound: a path, bytes, a PIL image, an array (height,
                width) or (height, width, 3) of uint8. A text: str, or a path of one.
                A record: a dict of fields by name, a pandas row, an array of the fields
                in their order. Or a list of those, a DataFrame, an array with one
                dimension more.
            version: By default the one that answers.
            top_k: How many classes of each; by default as many as the model says.
            timeout_s: Seconds for one try, in place of the client's.
            concurrency: Of several inputs, how many requests are under way at once.
            progress: Of several inputs, whether a bar is shown; by default on a
                terminal.

        Returns:
            A `Prediction`; of several inputs a list of them, in their order.

        Raises:
            InvalidInput: An input is nothing that this model takes.
            ServeryError: The call failed; `servery.errors` draws what there is.
        """
        known = self._describe(model)
        options = Options(version, top_k, timeout_s, concurrency, progress)
        several = spread(given, known)
        if several is None:
            return self._predict(known, [given], options)[0]
        with closing(self._answer(several, known, options)) as outcomes:
            return [raise_error(outcome) for outcome in outcomes]

    @overload
    def predict_each(
        self, model: str, given: Iterable[Any], **options: Unpack[ManyOptions]
    ) -> Iterator[Prediction]: ...

    @overload
    def predict_each(
        self,
        model: str,
        given: Iterable[Any],
        *,
        return_errors: Literal[True],
        **options: Unpack[ManyOptions],
    ) -> Iterator[Outcome]: ...

    def predict_each(
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
    ) -> Iterator[Any]:
        """Ask for one prediction after the other, as they are wanted.

        Inputs are taken a few ahead of the answers, so there may be more of them than
        memory holds. Texts and records share requests; where one of them is wrong, the
        others are asked again without it.

        Args:
            model: Its name.
            given: Inputs, as `predict` takes one.
            version: As for `predict`; so are `top_k` and `timeout_s`.
            top_k: How many classes of each.
            timeout_s: Seconds for one try.
            concurrency: How many requests are under way at once.
            progress: Whether a bar is shown; by default on a terminal.
            return_errors: Give an input's error in its place, and go on; by default the
                first is raised.

        Yields:
            A prediction, or an error, for each input, in their order.

        Raises:
            ServeryError: The first error, unless they are returned.
        """
        known = self._describe(model)
        options = Options(version, top_k, timeout_s, concurrency, progress)
        with closing(self._answer(given, known, options)) as outcomes:
            for outcome in outcomes:
                yield outcome if return_errors else raise_error(outcome)

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str | None = None,
        version: int | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Array]:
        """Call a model by the tensors of its signature, in binary.

        Args:
            model: Its name.
            inputs: An array for each input, or nested lists. Whole numbers become
                floats, and numbers of one width those of another, where the signature
                wants them. Texts are str or bytes.
            signature: By default `serving_default`.
            version: By default the one that answers.
            outputs: Those that are wanted; by default all.
            timeout_s: Seconds for one try, in place of the client's.

        Returns:
            An array for each output; texts as arrays of bytes.

        Raises:
            InvalidInput: Other inputs than the signature's, or of another form.
            ServeryError: The call failed; see `servery.errors`.
        """
        known = self._describe(model)
        call = requests.infer(known, inputs, signature, version, outputs)
        return self._call(known, call, timeout_s)

    @overload
    def generate(
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
    def generate(
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

    def generate(
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
        """Have a model draw images, or write texts.

        Args:
            model: Its name, `clothing`; of texts what it writes, `review`.
            prompt: How each text begins; may be empty.
            category: Of what, of clothing; by default of all in turn.
            count: How many.
            seed: The same seed gives the same; by default one is drawn.
            version: By default the one that answers.
            timeout_s: Seconds for one try, in place of the client's.
            wanted: What else the endpoint knows: `temperature`, `scale`; `label` of a
                model of your own; `generator` of clothing; of texts `length`, `top_k`,
                and `mood` of reviews.

        Returns:
            PIL images, or texts; and the seed.

        Raises:
            ServeryError: The call failed; see `servery.errors`.
        """
        asked = {"prompt": prompt, "category": category, "count": count}
        body = {**asked, "seed": seed, **wanted}
        return self._send(requests.generate(model, version, body), timeout_s)

    def stream(
        self,
        model: str,
        *,
        version: int | None = None,
        timeout_s: float | None = None,
        **wanted: Any,
    ) -> Generator[TextPiece, None, None]:
        """Have a model write, and read along; who stops reading has it stop.

        Args:
            model: What it writes, `review`.
            version: By default the one that answers.
            timeout_s: Seconds for all of it, in place of the client's.
            wanted: `prompt`, `length`, `temperature`, `top_k`, `seed`, `count`, and
                `mood` of reviews.

        Yields:
            Pieces of the texts as they come.

        Raises:
            ServeryError: The call failed, perhaps in the middle; it is not repeated.
        """
        call, pieces = requests.stream(model, version, wanted), Pieces()
        request = self._connection.request(call, timeout_s)
        try:
            with self._http.stream(**request) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                check(response)
                for line in response.iter_lines():
                    yield from pieces.feed(line)
        except httpx.HTTPError as error:
            raise self._connection.explain(error) from error
        pieces.check_whole()

    def models(self) -> list[Model]:
        """All models that the service knows."""
        return self._send(requests.list_models())

    def model(self, name: str) -> Model:
        """One model, as it is now.

        Raises:
            NotFound: There is none of this name.
        """
        self._known[name] = found = self._send(requests.show_model(name))
        return found

    def wait_for(
        self, name: str, version: int | None = None, *, timeout_s: float = 60.0
    ) -> Model:
        """Wait until a model is there: of a service that starts, or a new version.

        Args:
            name: The model's.
            version: Which one is to be ready; by default any.
            timeout_s: Seconds after which to give up.

        Raises:
            DeadlineExceeded: It is not there in time.
        """
        end, found = time.monotonic() + timeout_s, None
        while True:
            with suppress(NotFound, Unavailable, ConnectionFailed):
                found = self.model(name)
            if found and is_there(found, version):
                return found
            if time.monotonic() > end:
                raise too_late(name, found, version, timeout_s)
            time.sleep(POLL_S)

    def _describe(self, name: str) -> Model:
        """A model, as it was when it was first asked for.

        One that is not there may have an endpoint, which says how to get it.
        """
        if name not in self._known:
            try:
                return self.model(name)
            except NotFound:
                return Model(name)
        return self._known[name]

    def _answer(
        self, given: Iterable[Any], model: Model, options: Options
    ) -> Generator[Outcome, None, None]:
        """An outcome for each input; requests are ahead of who reads them."""
        ahead: deque[Future[list[Outcome]]] = deque()
        pool = ThreadPoolExecutor(options.concurrency, "servery")
        with show_progress(
            model.name, count(given), wanted=options.progress
        ) as advance:
            try:
                for several in group(given, rows_per_request(model)):
                    ahead.append(pool.submit(self._try, model, several, options))
                    if len(ahead) >= AHEAD * options.concurrency:
                        yield from advance(ahead.popleft().result())
                while ahead:
                    yield from advance(ahead.popleft().result())
            finally:
                pool.shutdown(cancel_futures=True)

    def _try(self, model: Model, several: list[Any], options: Options) -> list[Outcome]:
        """The outcomes of a group; of one that is refused, those of each by itself."""
        try:
            return [*self._predict(model, several, options)]
        except InvalidInput as error:
            if len(several) == 1:
                return [error]
            return [self._try(model, [each], options)[0] for each in several]
        except ServeryError as error:
            return [error] * len(several)

    def _predict(
        self, model: Model, several: list[Any], options: Options
    ) -> list[Prediction]:
        call = requests.predict(model, several, options)
        return self._call(model, call, options.timeout_s)

    def _call(self, model: Model, call: Call[T], timeout_s: float | None) -> T:
        """Send what was made for a model; if it does not fit, that may have changed."""
        try:
            return self._send(call, timeout_s)
        except (InvalidInput, NotFound):
            self._known.pop(model.name, None)
            raise

    def _send(self, call: Call[T], timeout_s: float | None = None) -> T:
        """Send a call until it is answered, or is not to be sent again."""
        for tried in count_up():
            try:
                return self._send_once(call, timeout_s)
            except ServeryError as error:
                wait_s = self._connection.wait_s(error, tried, call)
                if wait_s is None:
                    raise
            time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _send_once(self, call: Call[T], timeout_s: float | None) -> T:
        try:
            request = self._connection.request(call, timeout_s)
            response = self._http.request(**request)
        except httpx.HTTPError as error:
            raise self._connection.explain(error) from error
        check(response)
        return call.read(response)


def raise_error(outcome: Outcome) -> Prediction:
    """Give a prediction back; raise an error."""
    if isinstance(outcome, ServeryError):
        raise outcome
    return outcome
