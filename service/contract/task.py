"""What a model is for: the declaration that a typed endpoint, a form and a client need.

A version's manifest carries one under `task`. Their kinds, and the names of what they
answer (`label`, `score`, `top_k`), are those of Hugging Face's task schemas.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import to_json

from service.contract.dtypes import STRING
from service.contract.signature import Frozen, Signature, TensorSpec, fits
from service.contract.table import TableField, TaskError, check_columns
from service.contract.text_signatures import check_text_signatures

SERVING = "serving_default"  # the signature that a task's endpoint calls

MOST_CLASSES = 256  # of a mask, whose pixels are bytes

MOST_LATENTS = 65_536  # numbers that a picture is drawn from
MOST_SAMPLES = 9_600_000  # of a sound: 100 s at 96 kHz
MOST_FIELDS = 1024  # of a table
MOST_SYMBOLS = 4096  # that a text is made of
MOST_PROMPT = 4096  # symbols of its beginning
MOST_LENGTH = 1_000_000  # symbols of it
HOTTEST_TEXT = 2.0  # a temperature
TEXT_FIELDS = ("prompt", "length", "temperature", "top_k", "seed", "count")
MOST_EXAMPLE_BYTES = 2**20  # of all examples, as JSON

Side = Annotated[int, Field(ge=1, le=4096)]
Size = tuple[Side, Side]
Apply = Literal["none", "softmax", "sigmoid"]


class Example(Frozen):
    """A request, and what its answer must say."""

    title: str = Field(description="a few words for people")
    request: dict[str, Any] = Field(description="the body, as an object of JSON")
    answer: dict[str, Any] = Field(
        default_factory=dict,
        description="fields of the first prediction, which the model must give",
    )


class _Task(Frozen):
    model_config = ConfigDict(allow_inf_nan=False)

    examples: tuple[Example, ...] = Field((), description="the first one is shown")

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        size = len(to_json(self.examples))
        if size > MOST_EXAMPLE_BYTES:
            raise ValueError(
                f"expected examples of at most {MOST_EXAMPLE_BYTES:,} bytes, received "
                f"{size:,}"
            )
        low, high = getattr(self, "value_range", (0, 1))
        if low == high:
            raise ValueError(
                f"expected a value_range of two numbers, received {low:.12g} twice"
            )
        return self


class _Classification(_Task):
    function_to_apply: Apply = Field(
        "none", description="to the model's output, that it be probabilities"
    )
    top_k: int = Field(5, ge=1, description="classes in an answer, unless asked else")
    warn_below: float | None = Field(
        None,
        ge=0,
        le=1,
        description="a score: where even the best one is lower, the answer has a "
        "warning",
    )


class ImageClassification(_Classification):
    """An image to classes."""

    kind: Literal["image-classification"] = "image-classification"
    size: Size = Field(description="height, width that the model takes")
    colour: Literal["grey", "rgb"] = "rgb"
    resize: Literal["crop", "fit", "stretch"] = Field(
        "crop",
        description="crop = the middle in the model's proportions; fit = all of it, on "
        "black; stretch = all of it, in the model's proportions",
    )
    value_range: tuple[float, float] = Field(
        (0, 255), description="black and white, where the model takes floats"
    )


class TextClassification(_Classification):
    """A text to classes."""

    kind: Literal["text-classification"] = "text-classification"
    max_characters: int = Field(100_000, ge=1, description="in one text")


class _Tabular(_Task):
    fields: tuple[TableField, ...] = Field(min_length=1, max_length=MOST_FIELDS)

    @model_validator(mode="after")
    def _check_names(self) -> "_Tabular":
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected each field once, received {twice} twice")
        return self


class TabularClassification(_Tabular, _Classification):
    """A record to classes."""

    kind: Literal["tabular-classification"] = "tabular-classification"
    threshold: float | None = Field(
        None, ge=0, le=1, description="of two classes: where the second begins"
    )


class TabularRegression(_Tabular):
    """A record to a number."""

    kind: Literal["tabular-regression"] = "tabular-regression"
    unit: str | None = Field(None, description="of the answer")


class ImageGeneration(_Task):
    """A label, a seed → images."""

    kind: Literal["image-generation"] = "image-generation"
    signature: str = Field(
        SERVING, description="from latents, and weights of the labels if there are any"
    )
    temperature: float = Field(1.0, ge=0, description="by which they are multiplied")
    value_range: tuple[float, float] = Field(
        (0, 1), description="black and white, of a model that draws in floats"
    )


class TextControl(Frozen):
    """What a text is asked to be, beside its beginning: one of some words."""

    name: str = Field(
        pattern="^[a-z][a-z0-9_]{0,31}$", description="of the field in a request"
    )
    words: tuple[str, ...] = Field(
        min_length=2, max_length=MOST_CLASSES, description="their order: their numbers"
    )
    default: str = Field(description="the word, unless another one is asked for")

    @model_validator(mode="after")
    def _check_words(self) -> Self:
        if len({*self.words}) < len(self.words) or self.default not in self.words:
            raise ValueError(
                "expected different words and one of them as the default, received "
                f"{', '.join(self.words)} and {self.default}"
            )
        if self.name in TEXT_FIELDS:
            raise ValueError(
                f"expected another name than {', '.join(TEXT_FIELDS)}, received "
                f"{self.name}"
            )
        return self


class TextGeneration(_Task):
    """The beginning of a text, a seed → texts, symbol by symbol."""

    kind: Literal["text-generation"] = "text-generation"
    writes: str | None = Field(
        None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="the last part of the URL; null = the model's name",
    )
    symbols: str = Field(
        min_length=2,
        max_length=MOST_SYMBOLS,
        description="distinct characters; their order: their numbers",
    )
    replacements: dict[str, str] = Field(
        default_factory=dict,
        description="characters of a prompt that the symbols lack, and what stands for "
        "them",
    )
    stop: str | None = Field(
        None, description="the symbol that ends a text; it is not returned"
    )
    control: TextControl | None = None
    max_prompt: int = Field(200, ge=1, le=MOST_PROMPT, description="symbols")
    max_length: int = Field(2000, ge=1, le=MOST_LENGTH, description="symbols")
    default_length: int = Field(300, ge=1, description="unless asked else")
    default_temperature: float = Field(0.7, ge=0, le=HOTTEST_TEXT)
    logit_unit: float = Field(
        gt=0,
        description="in natural logarithms: the model's logits are whole numbers of it",
    )

    @model_validator(mode="after")
    def _check_symbols(self) -> Self:
        known = {*self.symbols}
        if len(known) < len(self.symbols):
            twice = sorted(each for each in known if self.symbols.count(each) > 1)
            raise ValueError(f"expected each symbol once, received {twice} twice")
        if self.stop is not None and self.stop not in known:
            raise ValueError(f"expected a symbol as stop, received {self.stop!r}")
        for given, meant in self.replacements.items():
            if len(given) != 1 or given in known or not known.issuperset(meant):
                raise ValueError(
                    "expected replacements of characters that are no symbols by "
                    f"symbols, received {given!r} by {meant!r}"
                )
        if self.default_length > self.max_length:
            raise ValueError(
                f"expected a default_length of at most {self.max_length}, received "
                f"{self.default_length}"
            )
        return self

    def path_part(self, model: str) -> str:
        """What it writes, as the URL has it: by default the model's name."""
        return self.writes or model


class ImageSegmentation(_Task):
    """An image to a class for each pixel."""

    kind: Literal["image-segmentation"] = "image-segmentation"
    size: Size = Field(description="height, width that the model takes")
    colour: Literal["grey", "rgb"] = "rgb"
    resize: Literal["crop", "fit", "stretch", "tile"] = Field(
        "stretch",
        description="as of a classification; tile = as it is, in tiles that overlap",
    )
    overlap: int = Field(0, ge=0, description="pixels that tiles side by side share")
    value_range: tuple[float, float] = (0, 255)
    threshold: float = Field(0.5, description="of a model with one channel")
    instances: Literal["parts", "cores"] | None = Field(
        None,
        description="how things that are not of the first class are told apart and "
        "counted: parts = by what hangs together; cores = by the model's second "
        "output, how likely a pixel is of the middle of one, 0 to 1",
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> Self:
        if self.overlap and (self.resize != "tile" or self.overlap % 2):
            raise ValueError(
                "expected an even overlap, and resize tile, received "
                f"{self.overlap} and {self.resize}"
            )
        if 2 * self.overlap > min(self.size):
            raise ValueError(
                f"expected an overlap of at most half of {min(self.size)}, received "
                f"{self.overlap}"
            )
        return self


class AudioClassification(_Classification):
    """A sound to classes."""

    kind: Literal["audio-classification"] = "audio-classification"
    rate: int = Field(ge=1000, le=96_000, description="samples a second")
    samples: int = Field(
        ge=1,
        le=MOST_SAMPLES,
        description="that the model takes; others are cut, or 0",
    )
    max_seconds: float | None = Field(
        None, gt=0, description="longer sounds are refused, and not cut"
    )


Task = Annotated[
    ImageClassification
    | TextClassification
    | TabularClassification
    | TabularRegression
    | ImageGeneration
    | TextGeneration
    | ImageSegmentation
    | AudioClassification,
    Field(discriminator="kind"),
]


def kind_of(task: "Task | str | None") -> str | None:
    """The name of a task, whether it is declared or only named."""
    return task if task is None or isinstance(task, str) else task.kind


def check_task(
    task: Task, signatures: Mapping[str, Signature], labels: Sequence[str]
) -> None:
    """Compare a declaration with the signature that it is of.

    Args:
        task: The declaration.
        signatures: Of the model, by name.
        labels: Of its classes.

    Raises:
        TaskError: It cannot be that model's; says what was expected and received.
    """
    if isinstance(task, TextGeneration):
        check_text_signatures(
            signatures,
            symbols=len(task.symbols),
            prompt=task.max_prompt,
            controlled=task.control is not None,
        )
        return
    name = task.signature if isinstance(task, ImageGeneration) else SERVING
    signature = signatures.get(name)
    if signature is None:
        raise TaskError(
            f"task: expected a signature {name!r}, received {', '.join(signatures)}"
        )
    _check_inputs(task, signature.inputs, labels)
    if signature.outputs[0].dtype == STRING:
        raise TaskError(
            f"task: expected an output of numbers for {task.kind}, received "
            f"{signature.outputs[0].name} of strings"
        )
    if isinstance(task, _Classification):
        _check_classes(signature.outputs[0], labels)
    elif isinstance(task, ImageSegmentation):
        _check_masks(signature.outputs[0], labels)
        _check_places(task, signature.outputs)
    elif isinstance(task, ImageGeneration):
        _check_pictures(signature.outputs[0])


def _check_inputs(
    task: Task, inputs: Sequence[TensorSpec], labels: Sequence[str]
) -> None:
    if isinstance(task, _Tabular):
        check_columns(task.fields, inputs)
        return
    if isinstance(task, ImageGeneration):
        _check_generator(inputs, labels)
        return
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise TaskError(f"task: expected one input for {task.kind}, received {names}")
    (only,) = inputs
    if isinstance(task, ImageClassification | ImageSegmentation):
        channels = 1 if task.colour == "grey" else 3
        expected: list[tuple[int, ...]] = [(*task.size, channels)] + [task.size] * (
            channels == 1
        )
    elif isinstance(task, AudioClassification):
        expected = [(task.samples,), (task.samples, 1)]
    else:
        expected = [(), (1,)]
        if only.dtype != STRING:
            raise TaskError(
                f"task: expected an input of strings for {task.kind}, received "
                f"{only.name} of {only.dtype}"
            )
    if not any(fits(shape, only.shape[1:]) for shape in expected):
        raise TaskError(
            f"task: expected an input whose rows are {expected[0]}, received "
            f"{only.name}, whose rows are {only.shape[1:]}"
        )


def _check_generator(inputs: Sequence[TensorSpec], labels: Sequence[str]) -> None:
    """Latents, and weights of the labels where there are labels."""
    widths = [each.shape[1] if len(each.shape) == 2 else None for each in inputs]
    weights_of = [len(labels)] if labels else []
    if widths and (widths[0] or 0) > MOST_LATENTS:
        raise TaskError(
            f"task: expected at most {MOST_LATENTS:,} latents, received {widths[0]:,}"
        )
    if not widths or widths[0] is None or widths[1:] != weights_of:
        shapes = ", ".join(f"{each.name} {each.shape}" for each in inputs)
        weights = f" and weights (rows, {len(labels)}) of the labels" if labels else ""
        raise TaskError(
            f"task: expected latents (rows, length){weights}, received {shapes}"
        )


def _check_classes(output: TensorSpec, labels: Sequence[str]) -> None:
    if len(labels) < 2:
        raise TaskError(f"task: expected at least two labels, received {len(labels)}")
    shape = output.shape[1:]
    single = len(labels) == 2 and (fits((), shape) or fits((1,), shape))
    if not single and not fits((len(labels),), shape):
        raise TaskError(
            f"task: expected an output whose rows are ({len(labels)},), one for each "
            f"label, received {output.name}, whose rows are {shape}"
        )


def _check_masks(output: TensorSpec, labels: Sequence[str]) -> None:
    """A channel for each label, or one for the second of two."""
    if not 2 <= len(labels) <= MOST_CLASSES:
        raise TaskError(
            f"task: expected 2 to {MOST_CLASSES} labels, received {len(labels)}"
        )
    channels = output.shape[3:]
    single = len(labels) == 2 and (fits((), channels) or fits((1,), channels))
    if len(output.shape) < 3 or not (single or fits((len(labels),), channels)):
        raise TaskError(
            "task: expected an output whose rows are (height, width, "
            f"{len(labels)}), received {output.name}, whose rows are {output.shape[1:]}"
        )


def _check_places(task: ImageSegmentation, outputs: Sequence[TensorSpec]) -> None:
    """Tiles are as large as what is sent; cores as large as the mask."""
    sides = outputs[0].shape[1:3]
    if task.resize == "tile" and sides != task.size:
        raise TaskError(
            f"task: expected an output of tiles whose rows are {task.size}, received "
            f"{outputs[0].name}, whose rows are {sides}"
        )
    if task.instances != "cores":
        return
    shapes = (sides, (*sides, 1))
    if len(outputs) < 2 or outputs[1].shape[1:] not in shapes:
        received = ", ".join(f"{each.name} {each.shape}" for each in outputs)
        raise TaskError(
            f"task: expected a second output whose rows are {sides}, the cores, "
            f"received {received}"
        )


def _check_pictures(output: TensorSpec) -> None:
    if len(output.shape) not in (3, 4) or output.shape[3:] not in ((), (1,), (3,)):
        raise TaskError(
            "task: expected an output whose rows are (height, width), or (height, "
            f"width, 3), received {output.name}, whose rows are {output.shape[1:]}"
        )
