"""Texts in the words of Hugging Face's text_generation, as its TGI server has them.

https://huggingface.co/docs/text-generation-inference, `POST /` and its stream: what
their `InferenceClient.text_generation` asks and understands. A token is a character.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import Response
from pydantic import ConfigDict, Field, create_model
from pydantic_core import to_json

from service.contract.task import HOTTEST_TEXT, TextGeneration
from service.engine.texts.request import Reason, TextRequest, Written
from service.errors import (
    DeadlineExceeded,
    InvalidInput,
    RateExceeded,
    ServeryError,
    Unavailable,
)
from service.tasks.generation import LARGEST_SEED, label_check
from service.tasks.writing import TextGenerator
from service.web.api.model_call import ModelCall
from service.web.api.schemas import WHOLE
from service.web.api.text_call import TextCall
from service.web.http.body import JSON, RequestModel
from service.web.http.events import EventStream, event

USUAL_TOKENS = 100  # as TGI has it, where nothing is said
MOST_STOPS = 4  # likewise
FINISHED = {
    Reason.LENGTH: "length",
    Reason.STOP: "eos_token",
    Reason.SEQUENCE: "stop_sequence",
}
KINDS: dict[type[ServeryError], str] = {  # of errors, by what theirs are called
    InvalidInput: "validation",
    Unavailable: "overloaded",
    RateExceeded: "overloaded",
    DeadlineExceeded: "incomplete_generation",
}
WITHOUT_EFFECT = {  # what is the same as nothing
    "adapter_id": (),
    "best_of": (1,),
    "decoder_input_details": (False,),
    "frequency_penalty": (0,),
    "grammar": (),
    "repetition_penalty": (1,),
    "top_n_tokens": (0,),
    "top_p": (1,),
    "typical_p": (1,),
    "watermark": (False,),
}


class TextParameters(RequestModel):
    """How it is to be written; what is not offered may be said to be off."""

    model_config = ConfigDict(strict=True)

    do_sample: bool | None = Field(
        None,
        description="Whether characters are drawn; else, unless temperature or top_k "
        "is given, the likeliest is taken.",
    )
    max_new_tokens: Annotated[int, Field(ge=1), WHOLE] | None = Field(
        None, description="Characters, at most; omitted: 100."
    )
    temperature: float | None = Field(None, gt=0, le=HOTTEST_TEXT, allow_inf_nan=False)
    top_k: Annotated[int, Field(ge=1), WHOLE] | None = None
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED), WHOLE] | None = None
    stop: list[str] | None = Field(
        None, max_length=MOST_STOPS, description="Ends a text, whose end it is."
    )
    stop_sequences: list[str] | None = Field(None, max_length=MOST_STOPS)
    return_full_text: bool | None = Field(None, description="With the prompt.")
    details: bool | None = None
    truncate: Annotated[int, Field(ge=1), WHOLE] | None = Field(
        None, description="So many of the prompt's last characters are read."
    )
    adapter_id: Any = None
    best_of: Any = None
    decoder_input_details: Any = None
    frequency_penalty: Any = None
    grammar: Any = None
    repetition_penalty: Any = None
    top_n_tokens: Any = None
    top_p: Any = None
    typical_p: Any = None
    watermark: Any = None


class TextInput(RequestModel):
    """A prompt."""

    inputs: str
    parameters: TextParameters | None = None
    stream: bool | None = Field(None, description="Whether by events, as it comes.")
    options: dict[str, Any] | None = Field(None, description="Without effect.")


async def generate(call: ModelCall, endpoint: TextGenerator) -> Response:
    """Answer as TGI does; its errors have an `error_type`, too."""
    try:
        return await _generate(call, endpoint)
    except ServeryError as error:
        content = _fail(call, error)
        return Response(content, error.status, error.headers, media_type=JSON)


async def _generate(call: ModelCall, endpoint: TextGenerator) -> Response:
    given = await call.json(_input(endpoint.task))
    parameters = given.parameters or TextParameters()
    call.pin()
    request = _read(given, parameters, endpoint)
    texts = call.write(request)
    answer = _Answer(endpoint, given, parameters, request)
    if request.streams:
        await texts.wait()
        return EventStream(_stream(call, texts, answer), call.record)
    ((symbols, end),) = await texts.read_all()
    content: dict[str, Any] = {"generated_text": answer.whole(symbols)}
    if parameters.details:
        tokens = [answer.token(each) for each in answer.ended(symbols, end)]
        content["details"] = {
            **answer.details(symbols, end),
            "prefill": [],
            "tokens": tokens,
        }
    return Response(to_json([content]), media_type=JSON)


async def _stream(
    call: ModelCall, texts: TextCall, answer: "_Answer"
) -> AsyncIterator[bytes]:
    """An event for each token; the last one has all of the text."""
    symbols: list[Written] = []
    late = DeadlineExceeded("The text was not written within the deadline.")
    try:
        async for written in texts.read():
            end = written[-1] if written[-1].reason is not None else None
            tokens = answer.ended(written[:-1], end) if end else written
            symbols += [each for each in tokens if each.reason is None]
            events = [answer.event(each, end, symbols) for each in tokens]
            if end is not None and end.reason is Reason.DEADLINE:
                yield b"".join([*events, event(_fail(call, late))])
                return
            yield b"".join(events)
    except ServeryError as error:
        yield event(_fail(call, error))
    finally:
        texts.close()


class _Answer:
    """What is said of a text."""

    def __init__(
        self,
        endpoint: TextGenerator,
        given: Any,
        parameters: TextParameters,
        request: TextRequest,
    ):
        self._alphabet, self._request = endpoint.alphabet, request
        self._start = given.inputs if parameters.return_full_text else ""
        self._is_greedy = request.temperature == 0
        self._stop = endpoint.task.stop
        self._index = 0

    def whole(self, symbols: Sequence[Written]) -> str:
        """All of the text."""
        return self._start + self._alphabet.write([each.symbol for each in symbols])

    def ended(self, symbols: Sequence[Written], end: Written) -> list[Written]:
        """Its tokens: to TGI the one that ends a text is one of them."""
        return [*symbols, end] if end.reason is Reason.STOP else [*symbols]

    def token(self, written: Written) -> dict[str, Any]:
        """One of them."""
        special, symbols = written.reason is not None, self._alphabet.symbols
        number = written.symbol
        if special and self._stop is not None:
            number = symbols.index(self._stop)
        text = "" if special else symbols[number]
        logprob = written.logprob
        return {"id": number, "text": text, "logprob": logprob, "special": special}

    def details(self, symbols: Sequence[Written], end: Written) -> dict[str, Any]:
        """Of a text that has ended."""
        assert end.reason is not None  # noqa: S101 - for mypy
        return {
            "finish_reason": FINISHED[end.reason],
            "generated_tokens": len(self.ended(symbols, end)),
            "seed": None if self._is_greedy else self._request.seed,
        }

    def event(
        self, written: Written, end: Written | None, symbols: Sequence[Written]
    ) -> bytes:
        """A token; where it is the last one, with all that came before."""
        self._index += 1
        count = len(symbols) + (end is not None and end.reason is Reason.STOP)
        is_last = end is not None and self._index == count
        told: dict[str, Any] = {
            "index": self._index,
            "token": self.token(written),
            "generated_text": None,
            "details": None,
        }
        if is_last and end is not None and end.reason in FINISHED:
            told["generated_text"] = self.whole(symbols)
            length = len(self._request.prompt)
            told["details"] = {**self.details(symbols, end), "input_length": length}
        return event(to_json(told))


def _read(
    given: Any, parameters: TextParameters, endpoint: TextGenerator
) -> TextRequest:
    """What the engine is asked.

    Raises:
        InvalidInput: Something that is not offered, or is none of this model's.
    """
    for name, nothing in WITHOUT_EFFECT.items():
        value = getattr(parameters, name)
        if value is not None and value not in nothing:
            raise InvalidInput(
                f"parameters.{name}: expected nothing, which is all that is offered "
                f"here; received {str(value)[:48]!r}."
            )
    task, alphabet = endpoint.task, endpoint.alphabet
    length = parameters.max_new_tokens or min(USUAL_TOKENS, task.max_length)
    if length > task.max_length:
        raise InvalidInput(
            f"parameters.max_new_tokens: expected at most {task.max_length:,}, "
            f"received {length:,}."
        )
    stops = [*(parameters.stop or ()), *(parameters.stop_sequences or ())]
    if not all(0 < len(each) <= task.max_prompt for each in stops):
        raise InvalidInput(
            f"parameters.stop: expected 1 to {task.max_prompt} characters of each."
        )
    prompt = given.inputs
    if parameters.truncate is not None:
        prompt = prompt[-parameters.truncate :]
    if len(prompt) > task.max_prompt:
        raise InvalidInput(
            f"inputs: expected at most {task.max_prompt:,} characters, received "
            f"{len(prompt):,}."
        )
    control = task.control
    word = getattr(parameters, control.name, None) if control is not None else None
    return TextRequest(
        prompt=alphabet.read(prompt, "inputs"),
        control=control.words.index(word or control.default) if control else None,
        length=length,
        temperature=_heat(parameters),
        top_k=min(parameters.top_k, len(task.symbols)) if parameters.top_k else None,
        seed=secrets.randbits(32) if parameters.seed is None else parameters.seed,
        stops=tuple(alphabet.read(each, "parameters.stop") for each in stops[:8]),
        streams=bool(given.stream),
    )


def _heat(parameters: TextParameters) -> float:
    """The temperature: 0, for always the likeliest, unless it is to be drawn."""
    warmed = parameters.temperature not in (None, 1.0) or parameters.top_k is not None
    if not (parameters.do_sample or warmed):
        return 0.0
    return parameters.temperature or 1.0


def _input(task: TextGeneration) -> type[TextInput]:
    """The schema of a request to a model that declares this."""
    control = task.control
    if control is None:
        return TextInput
    word = Annotated[str, label_check(control.words)]
    fields: dict[str, Any] = {control.name: (word | None, None)}
    parameters = create_model("Asked", __base__=TextParameters, **fields)
    field: Any = (parameters | None, None)
    made: Any = create_model("AskedText", __base__=TextInput, parameters=field)
    checked: type[TextInput] = made
    return checked


def _fail(call: ModelCall, error: ServeryError) -> bytes:
    """An error as TGI says it, in ours."""
    content = call.record.fail(error)
    kinds = (kind for each, kind in KINDS.items() if isinstance(error, each))
    said = to_json({"error_type": next(kinds, "generation")})
    return content[:-1] + b"," + said[1:]
