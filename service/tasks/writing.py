"""Texts that nobody has written: a beginning, a seed → texts, and the same again."""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_json

from service.contract.contract import Contract
from service.contract.task import HOTTEST_TEXT, TextGeneration
from service.engine.texts.request import Reason, TextRequest, Written
from service.errors import ServeryError
from service.tasks.alphabet import Alphabet
from service.tasks.endpoint import Endpoint, Wanted, answer_model
from service.tasks.generation import LARGEST_SEED, label_check, label_schema
from service.web.api.model_call import ModelCall
from service.web.api.schemas import WHOLE, Schema
from service.web.api.text_call import TextCall
from service.web.http.body import JSON, RequestModel
from service.web.http.events import EVENTS, EventStream, event

MOST_TEXTS = 64  # of one request

REASONS = {
    Reason.LENGTH: "length",
    Reason.STOP: "stop",
    Reason.SEQUENCE: "stop",
    Reason.DEADLINE: "deadline",
}

Count = Annotated[int, Field(ge=1, le=MOST_TEXTS, description="How many texts."), WHOLE]
Seed = Annotated[
    Annotated[int, Field(ge=0, le=LARGEST_SEED), WHOLE] | None,
    Field(
        description="The same seed gives the same texts, of fewer the first ones and "
        "of shorter ones the beginnings. Omitted: one is drawn, and said in the "
        "answer."
    ),
]
Temperature = Annotated[
    float | None,
    Field(
        ge=0,
        le=HOTTEST_TEXT,
        allow_inf_nan=False,
        description="Less is more usual, more is more varied; 0 = always the likeliest "
        "character. Omitted: as the model was measured.",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks to be written, and all that it takes to write it again.

    Attributes:
        request: As the engine is asked.
        facts: As an answer says it.
    """

    request: TextRequest
    facts: dict[str, Any]


class TextGenerator(Endpoint):
    """The endpoint of a model that writes.

    Args:
        contract: Whose task is to.

    Attributes:
        task: Its declaration.
        alphabet: Of its texts.
    """

    verb, other_answers = "generate", {EVENTS: {"schema": {"type": "string"}}}

    def __init__(self, contract: Contract):
        task: Any = contract.task
        self.task: TextGeneration = task
        self.alphabet = Alphabet(task)
        self.request = _request(task, self.alphabet)
        examples = task.examples
        usual = {"length": min(80, task.max_length), "seed": 7}
        self.example = examples[0].request if examples else usual

    def path(self, model: str) -> str:
        """See `Endpoint`."""
        return super().path(self.task.path_part(model))

    def body(self) -> Schema:
        """See `Endpoint`; it may be left out."""
        schema = self.request.model_json_schema()
        content = {JSON: {"schema": schema, "example": self.example}}
        return {"required": False, "content": content}

    def response(self, model: str) -> type[BaseModel]:
        """See `Endpoint`."""
        about = "The texts, and all that it takes to write them again."
        facts: dict[str, Any] = {"seed": (int, ...), "temperature": (float, ...)}
        if self.task.control is not None:
            facts[self.task.control.name] = (str, ...)
        return answer_model(model, about, **facts, texts=(list[GeneratedText], ...))

    async def answer(self, call: ModelCall, wanted: Wanted | None = None) -> Response:
        """See `Endpoint`; by `Accept` as JSON, or as events while it is written."""
        kind = call.choose(JSON, EVENTS)
        given = await call.json_or_nothing(self.request)
        contract = call.pin()
        asked = self.decide(given, contract, streams=kind == EVENTS)
        texts = call.write(asked.request)
        if kind == EVENTS:
            await texts.wait()  # what fails at once has its status
            return EventStream(self._tell(texts, asked), call.record)
        rows = [
            {
                "text": self.alphabet.write([each.symbol for each in symbols]),
                "finish_reason": name_reason(end),
            }
            for symbols, end in await texts.read_all()
        ]
        return Response(to_json({**asked.facts, "texts": rows}), media_type=JSON)

    def decide(self, given: Any, contract: Contract, *, streams: bool) -> Asked:
        """What the caller left open, and what the engine is asked.

        Raises:
            InvalidInput: Its prompt is none that the model knows.
        """
        control, task = self.task.control, self.task
        seed, temperature = given.seed, given.temperature
        facts: dict[str, Any] = {
            "model": contract.name,
            "version": contract.version,
            "seed": secrets.randbits(32) if seed is None else seed,
            "temperature": float(
                task.default_temperature if temperature is None else temperature
            ),
        }
        word = None
        if control is not None:
            facts[control.name] = getattr(given, control.name) or control.default
            word = control.words.index(facts[control.name])
        request = TextRequest(
            prompt=self.alphabet.read(given.prompt),
            control=word,
            length=given.length,
            temperature=facts["temperature"],
            top_k=given.top_k,
            seed=facts["seed"],
            count=given.count,
            streams=streams,
        )
        return Asked(request, facts)

    async def _tell(self, texts: TextCall, asked: Asked) -> AsyncIterator[bytes]:
        """The events of an answer."""
        try:
            yield event(to_json(asked.facts), "start")
            async for written in texts.read():
                yield self._render(written)
        except ServeryError as error:
            yield event(texts.record.fail(error), "error")
        else:
            yield event(b"{}", "end")
        finally:
            texts.close()

    def _render(self, written: Sequence[Written]) -> bytes:
        """Events of what came together, with symbols of one text in one."""
        told: list[bytes] = []
        texts: dict[int, list[int]] = {}
        for each in written:
            if each.reason is None:
                texts.setdefault(each.text, []).append(each.symbol)
        for index, numbers in texts.items():
            text = self.alphabet.write(numbers)
            told.append(event(to_json({"index": index, "text": text})))
        told += [
            event(
                to_json({"index": each.text, "finish_reason": name_reason(each)}),
                "finish",
            )
            for each in written
            if each.reason is not None
        ]
        return b"".join(told)


def name_reason(end: Written) -> str:
    """Why a text has ended, as an answer says it."""
    assert end.reason is not None  # of an end  # noqa: S101
    return REASONS[end.reason]


class GeneratedText(BaseModel):
    """One text that nobody has written."""

    text: str = Field(description="What follows the prompt.")
    finish_reason: str = Field(
        description="length: it is as long as was asked; stop: it has come to its end."
    )


def _request(task: TextGeneration, alphabet: Alphabet) -> Any:
    """The schema of a request to a model that declares this."""
    whole = WHOLE
    length = Field(
        ge=1, le=task.max_length, description="Characters of each text, at most."
    )
    most = Field(
        ge=1,
        le=len(task.symbols),
        description="Draw from so many of the likeliest characters; omitted: from all.",
    )
    prompt = Field(
        "",
        max_length=task.max_prompt,
        description="How each text begins.",
        json_schema_extra={"pattern": alphabet.pattern},
    )
    fields: dict[str, Any] = {
        "prompt": (str, prompt),
        "length": (Annotated[int, length, whole], task.default_length),
        "temperature": (Temperature, None),
        "top_k": (Annotated[int, most, whole] | None, None),
        "seed": (Seed, None),
        "count": (Count, 1),
    }
    if task.control is not None:
        words = task.control.words
        word = Annotated[str, label_check(words), label_schema(words)]
        about = Field(None, description=f"Omitted: {task.control.default}.")
        fields = {task.control.name: (word | None, about), **fields}
    base = _Strict
    return create_model("WriteRequest", __base__=base, __doc__=base.__doc__, **fields)


class _Strict(RequestModel):
    """What to write."""

    model_config = ConfigDict(strict=True)
