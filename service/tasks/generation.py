"""Pictures that never were: a seed, a label → images, and the same ones again."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from fastapi import Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.errors import TooManyRows
from service.tasks.endpoint import QUICK_NUMBERS, Endpoint, Wanted, answer_model
from service.tasks.pictures import PNG, ZIP, Pictures, to_pixels
from service.web.api.model_call import ModelCall
from service.web.api.schemas import BINARY, WHOLE, Schema
from service.web.http.body import JSON, RequestModel
from service.wording import show, suggest

MOST_IMAGES = 256
HOTTEST = 1.5
LARGEST_SCALE = 16
SCALE = "Every pixel is drawn so many times as wide and as high."
LARGEST_SEED = 2**32 - 1
MOST_PIXELS = 2**26  # of all images of an answer, every channel counted
QUICK_PIXELS = 16 * 784  # that are encoded in less time than a thread is called

Count = Annotated[
    int, Field(ge=1, le=MOST_IMAGES, description="How many images."), WHOLE
]
Seed = Annotated[
    Annotated[int, Field(ge=0, le=LARGEST_SEED), WHOLE] | None,
    Field(
        description="The same seed gives the same images, and of fewer the first ones. "
        "Omitted: one is drawn, and said in the answer."
    ),
]
Temperature = Annotated[
    float | None,
    Field(
        ge=0,
        le=HOTTEST,
        allow_inf_nan=False,
        description="Multiplies the latents: less is more usual, more is more varied. "
        "Omitted: as the model was measured.",
    ),
]
Scale = Annotated[
    int,
    Field(ge=1, le=LARGEST_SCALE, description=SCALE),
    WHOLE,
]


class GenerateRequest(RequestModel):
    """What to draw."""

    model_config = ConfigDict(strict=True)
    count: Count = 10
    seed: Seed = None
    temperature: Temperature = None
    scale: Scale = 1


class Generator(Endpoint):
    """The endpoint of a model that draws.

    Args:
        contract: Whose task is to generate.

    Attributes:
        name: Of its files.
        field: For a label, in the request and in the answer.
    """

    verb, other_answers = "generate", {PNG: BINARY, ZIP: BINARY}
    field: ClassVar[str] = "label"
    request: Any
    example: Schema

    def __init__(self, contract: Contract):
        self.task, self.name = contract.task, contract.name
        self.request = _request(contract.labels)
        examples = self.task.examples
        self.example = examples[0].request if examples else {"count": 4, "seed": 7}

    def body(self) -> Schema:
        """See `Endpoint`; it may be left out."""
        schema = self.request.model_json_schema()
        content = {JSON: {"schema": schema, "example": self.example}}
        return {"required": False, "content": content}

    def response(self, model: str) -> type[BaseModel]:
        """See `Endpoint`."""
        about = "The images, and all that it takes to draw them again."
        facts = {"seed": (int, ...), "temperature": (float, ...)}
        return answer_model(model, about, **facts, images=(list[GeneratedImage], ...))

    async def answer(self, call: ModelCall, wanted: Wanted | None = None) -> Response:
        """See `Endpoint`; by `Accept` as JSON, as a sheet or as a ZIP."""
        kind = call.choose(JSON, PNG, ZIP)
        asked = await call.json_or_nothing(self.request)
        self.use_model(call, asked)
        call.check_count(asked.count)
        contract = call.pin()
        signature = contract.signatures[self.task.signature]
        call.hold(asked.count, signature.count_bytes())
        facts = self.decide(asked, contract)
        names = self._names(asked, contract.labels)
        rows = await self._draw(call, facts, names, asked.count, contract)
        answer = await call.infer(rows, self.task.signature)
        drawn = answer.outputs[0]
        _check_pixels(drawn.size * asked.scale**2)

        def respond() -> Response:
            return Pictures(
                name=self.name,
                facts=facts,
                named=[{self.field: name} for name in names] or [{}] * asked.count,
                more=self.tell(rows[0]),
                images=to_pixels(drawn, self.task.value_range),
                kinds=self._kinds(asked, contract.labels),
                scale=asked.scale,
            ).respond(kind)

        much = is_much(drawn.size, asked.scale)
        response = await call.encode(respond, in_thread=much)
        call.count(names)
        return response

    def use_model(self, call: ModelCall, asked: Any) -> None:
        """Ask another model than the path says, where the body tells which."""

    def decide(self, asked: Any, contract: Contract) -> dict[str, Any]:
        """What the caller left open, and all else that it takes to draw the same."""
        usual = contract.constants.get("temperature", self.task.temperature)
        seed, temperature = asked.seed, asked.temperature
        return {
            "model": contract.name,
            "version": contract.version,
            "seed": secrets.randbits(32) if seed is None else seed,
            "temperature": float(usual if temperature is None else temperature),
        }

    def settle(self, latents: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Latents as the model is given them, float32 (rows, length)."""
        return latents.astype(np.float32)

    def tell(self, latents: npt.NDArray[Any]) -> Sequence[dict[str, Any]]:
        """What is said of each image besides."""
        return [{} for _ in latents]

    def _names(self, asked: Any, labels: Sequence[str]) -> list[str]:
        """The label of every image: the one that is wanted, or all in turn."""
        wanted = getattr(asked, self.field, None)
        turns = [wanted] if wanted is not None else labels
        return [turns[i % len(turns)] for i in range(asked.count)] if turns else []

    def _kinds(self, asked: Any, labels: Sequence[str]) -> int:
        """How many labels take turns, where all of them do."""
        alone = getattr(asked, self.field, None) is not None
        return 0 if alone or asked.count < len(labels) else len(labels)

    async def _draw(
        self,
        call: ModelCall,
        facts: Schema,
        names: Sequence[str],
        count: int,
        contract: Contract,
    ) -> Tensors:
        inputs = contract.signatures[self.task.signature].inputs
        length = inputs[0].shape[1]
        assert length is not None  # `check_task` says so  # noqa: S101

        def settled() -> npt.NDArray[np.float32]:
            drawn = draw(facts["seed"], count, length)
            return self.settle(drawn * facts["temperature"])

        much = count * length > QUICK_NUMBERS
        latents = await call.decode(settled, in_thread=much)
        return (latents, weigh(names, contract.labels)) if names else (latents,)


class GeneratedImage(BaseModel):
    """One picture that never was."""

    label: str | None = Field(None, description="That was asked for, where there are.")
    image: str = Field(description="PNG in base64.")


def label_check(labels: Sequence[str]) -> BeforeValidator:
    """What lets one of these labels through, and nothing else."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in labels:
            near = suggest(value, labels) if isinstance(value, str) else ""
            raise ValueError(
                f"expected one of {', '.join(labels)}; received {show(value)}{near}"
            )
        return value

    return BeforeValidator(check)


def label_schema(labels: Sequence[str]) -> WithJsonSchema:
    """The same for the OpenAPI document."""
    return WithJsonSchema({"type": "string", "enum": [*labels]})


def draw(seed: int, rows: int, length: int) -> npt.NDArray[np.float64]:
    """Draw standard-normal vectors.

    By NumPy's legacy generator, whose stream NumPy has frozen (NEP 19): a seed means
    the same vectors for ever. They are drawn one after the other, so fewer rows are the
    first of more.

    Args:
        seed: 0 to 2³² − 1.
        rows: How many vectors.
        length: Of each.
    """
    return np.random.RandomState(seed).standard_normal((rows, length))


def weigh(names: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.float32]:
    """Names to float32 (rows, labels), 1 for the label, else 0."""
    weights = np.zeros((len(names), len(labels)), np.float32)
    weights[range(len(names)), [labels.index(name) for name in names]] = 1
    return weights


def is_much(pixels: int, scale: int) -> bool:
    """Whether so many pixels, each drawn so large, are to be encoded in a thread."""
    return pixels * scale**2 > QUICK_PIXELS


def _check_pixels(pixels: int) -> None:
    """Refuse more than a process has memory for, several times over.

    Raises:
        TooManyRows: More than `MOST_PIXELS`.
    """
    if pixels > MOST_PIXELS:
        raise TooManyRows(
            f"count × scale²: expected at most {MOST_PIXELS:,} pixels in all, received "
            f"{pixels:,}."
        )


def _request(labels: Sequence[str]) -> Any:
    """The schema of a request to a model with these labels."""
    if not labels:
        return GenerateRequest
    label = Annotated[str, label_check(labels), label_schema(labels)]
    about = Field(None, description="Omitted: all in turn.")
    return create_model(
        "GenerateRequest",
        __base__=GenerateRequest,
        __doc__=GenerateRequest.__doc__,
        label=(label | None, about),
    )
