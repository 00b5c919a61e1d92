"""Texts to what a model takes, so many at a time as others can wait for."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)

from service.contract.contract import Contract
from service.contract.task import SERVING
from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput, MalformedBody
from service.tasks.classes import Classifier
from service.tasks.endpoint import Given, TaskEndpoint, declared_example
from service.web.api.model_call import ModelCall
from service.web.api.schemas import ROWS, OneOrSeveral, Schema, either
from service.web.http.body import JSON, validate

TEXT = "text/plain"
GROUP_CHARACTERS = 16_000  # computed at a time: 30 to 50 ms of one core, for sentiment
WORD = re.compile(r"[^\s\ufeff]")
WORD_IN_ECMA = r"[^\s\u001c-\u001f\u0085\ufeff]"  # ECMA's \s and Python's differ


class TextsRequest(OneOrSeveral):
    """One text or several."""

    model_config = ConfigDict(json_schema_extra=either(["text"], ["texts"]))
    one, rows_field = "text", "texts"


class TextEndpoint(TaskEndpoint):
    """The half of an endpoint that reads texts.

    Args:
        most: Characters in one text.
        example: A text with which the call works.
        description: Of a text.
    """

    def __init__(self, most: int, example: str, description: str = "A text."):
        self._most, self._example = most, example
        self._text = _text_schema(most, description)
        self.request = _request(most, description)
        self._shape: tuple[int, ...] = (-1,)

    def body(self) -> Schema:
        """One text as it is, or one or several in JSON."""
        return {
            "required": True,
            "content": {
                JSON: {
                    "schema": self.request.model_json_schema(),
                    "example": {"text": self._example},
                },
                TEXT: {"schema": self._text, "example": self._example},
            },
        }

    async def read(self, call: ModelCall) -> Given:
        """See `TaskEndpoint`."""
        kind, body = await call.body(JSON, TEXT)
        wanted = (
            await call.parse(body, self.request)
            if kind == JSON
            else validate({"text": self._read_plain(body)}, self.request)
        )
        return await self.read_all(call, wanted.rows())

    async def read_all(self, call: ModelCall, rows: Sequence[str]) -> Given:
        """See `TaskEndpoint`.

        Raises:
            InvalidInput: They are too long together.
        """
        most, total = call.state.settings.max_request_characters, sum(map(len, rows))
        if total > most:
            raise InvalidInput(
                f"texts: expected at most {most:,} characters in all, received "
                f"{total:,}."
            )
        return await call.decode(
            lambda: Given([self._encode(group) for group in _group(rows)]),
            in_thread=False,
        )

    def _read_plain(self, body: bytes) -> str:
        if len(body) > 4 * self._most + 3:  # in UTF-8, behind a byte order mark
            raise InvalidInput(
                f"text: expected at most {self._most:,} characters, received "
                f"{len(body):,} bytes."
            )
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise MalformedBody(
                f"The body is not UTF-8: expected {TEXT} in UTF-8, received the byte "
                f"0x{body[error.start]:02x} at {error.start}."
            ) from error

    def _encode(self, texts: Sequence[str]) -> Tensors:
        rows = np.empty(len(texts), dtype=object)
        rows[:] = [text.encode() for text in texts]
        return (rows.reshape(self._shape),)


class TextClassifier(TextEndpoint, Classifier):
    """Texts to classes."""

    def __init__(self, contract: Contract):
        task: Any = contract.task
        example = declared_example(task, "text") or "A text."
        TextEndpoint.__init__(self, task.max_characters, example)
        Classifier.__init__(self, contract)
        if len(contract.signatures[SERVING].inputs[0].shape) == 2:
            self._shape = (-1, 1)


def _text_schema(most: int, description: str) -> Schema:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": most,
        "pattern": WORD_IN_ECMA,
        "description": description,
    }


def _request(most: int, description: str) -> type[TextsRequest]:
    """The schema of a request whose texts have at most so many characters."""

    def check(text: str) -> str:
        if not WORD.search(text):
            raise ValueError("expected words, received a text that is empty or blank")
        if len(text) > most:
            raise ValueError(
                f"expected at most {most:,} characters, received {len(text):,}"
            )
        return text

    text = Annotated[
        str, AfterValidator(check), WithJsonSchema(_text_schema(most, description))
    ]
    several = Field(None, description="Several.")
    return create_model(
        "TextsRequest",
        __base__=TextsRequest,
        __doc__=TextsRequest.__doc__,
        text=(text | None, None),
        texts=(Annotated[list[text], ROWS] | None, several),
    )


def _group(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in their order, so many at a time as others can wait for."""
    first = characters = 0
    for index, text in enumerate(texts):
        if index > first and characters + len(text) > GROUP_CHARACTERS:
            yield texts[first:index]
            first, characters = index, 0
        characters += len(text)
    yield texts[first:]
