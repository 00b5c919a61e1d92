"""What a service answers, as objects that do not change."""

import base64
import binascii
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from PIL import Image

from servery.errors import ServerFailed

POSITIVE = {"sentiment": "positive", "party": "democrat", "mammogram": "malignant"}
"""By model, the class whose `probability` stands in an answer of two classes."""


@dataclass(frozen=True, slots=True)
class Class:
    """One class that it may be.

    Attributes:
        label: Its name.
        score: Its probability, 0 to 1.
    """

    label: str
    score: float


@dataclass(frozen=True, slots=True, repr=False)
class Prediction(Mapping[str, Any]):
    """What a model says of one input.

    Whatever else the answer carries is an attribute and a key of the same name:
    `prediction.digit`, `prediction["digit"]`; `dict(prediction)` is all of it.

    Attributes:
        model: The model that answered.
        version: Its version.
        raw: The answer as it came.
        label: The class that it is; None where the model names none.
        score: The probability of `label`, 0 to 1; None where there is none.
        classes: The probable classes, best first; may be empty. Of a mask: what is in
            it, each with its share of the pixels.
        value: The number that a regression answers; else None.
    """

    model: str
    version: int
    raw: dict[str, Any] = field(hash=False)
    label: str | None = None
    score: float | None = None
    classes: tuple[Class, ...] = ()
    value: float | None = None

    def __getitem__(self, name: str) -> Any:
        return self.raw[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS and not name.startswith("__") and name in self.raw:
            return self.raw[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __repr__(self) -> str:
        return f"<{self.model} {self.version}: {self}>"

    def __str__(self) -> str:
        if self.label is not None:
            score = "" if self.score is None else f" ({100 * self.score:.2f} %)"
            return self.label + score
        return str(self.raw if self.value is None else self.value)

    def image(self, name: str = "mask") -> Image.Image:
        """An image that the answer carries in base64, as a PIL image.

        Raises:
            KeyError: It carries none of this name.
        """
        return read_image(self.raw[name])


FIELDS = {each.name for each in fields(Prediction)}


@dataclass(frozen=True, slots=True, repr=False)
class GeneratedImages(Sequence[Image.Image]):
    """Images that a model drew.

    Attributes:
        model: The model that drew.
        version: Its version.
        images: PIL images, in order.
        seed: By which the same are drawn again.
        raw: The answer as it came; `raw["images"][0]` says more of the first.
    """

    model: str
    version: int
    images: tuple[Image.Image, ...]
    seed: int | None
    raw: dict[str, Any] = field(hash=False)

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"<{len(self)} images of {self.model} {self.version}, seed {self.seed}>"


@dataclass(frozen=True, slots=True, repr=False)
class GeneratedTexts(Sequence[str]):
    """Texts that a model wrote.

    Attributes:
        model: The model that wrote.
        version: Its version.
        texts: In order, each without its prompt.
        seed: By which the same are written again.
        raw: The answer as it came; `raw["texts"][0]` says why the first has ended.
    """

    model: str
    version: int
    texts: tuple[str, ...]
    seed: int
    raw: dict[str, Any] = field(hash=False)

    def __getitem__(self, index: Any) -> Any:
        return self.texts[index]

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"<{len(self)} texts of {self.model} {self.version}, seed {self.seed}>"


Generated = GeneratedImages | GeneratedTexts


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of a text that is being written.

    Attributes:
        index: The number of the text, where several are.
        text: What follows; empty at the end.
        finish_reason: At the end: length, stop or deadline.
    """

    index: int
    text: str = ""
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the service.

    Attributes:
        name: Its name.
        task: What it does, `image-classification`; None where it is not said.
        version: The version that answers; None where none does.
        versions: Those that are ready, rising.
        raw: All that the service says of it.
    """

    name: str
    task: str | None = None
    version: int | None = None
    versions: tuple[int, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict, hash=False, repr=False)

    @property
    def declaration(self) -> dict[str, Any]:
        """Its task as the model declares it: size, fields; empty where it does not."""
        task = self.raw.get("task")
        return task if isinstance(task, dict) else {}


def read_predictions(
    content: dict[str, Any], top_k: int | None = None
) -> list[Prediction]:
    """The predictions of an answer to `/v1/predict/<model>`, in their order.

    Args:
        content: The answer.
        top_k: How many classes are kept of each; None: all that are there.
    """
    model, version = content["model"], content["version"]
    return [
        _read_prediction(model, version, raw, top_k) for raw in content["predictions"]
    ]


def read_model(content: dict[str, Any]) -> Model:
    """A model, of the list or by itself."""
    task = content["task"]
    return Model(
        name=content["name"],
        task=task["kind"] if isinstance(task, dict) else task,
        version=content["default_version"],
        versions=tuple(
            sorted(
                each["version"]
                for each in content["versions"]
                if each["state"] == "ready"
            )
        ),
        raw=content,
    )


def read_generated(content: dict[str, Any]) -> Generated:
    """The images or texts of an answer to `/v1/generate/<model>`."""
    if "texts" in content:
        return GeneratedTexts(
            content["model"],
            content["version"],
            tuple(each["text"] for each in content["texts"]),
            content["seed"],
            content,
        )
    images = [
        read_image(each["image"] if isinstance(each, dict) else each)
        for each in content["images"]
    ]
    return GeneratedImages(
        content["model"],
        content["version"],
        tuple(images),
        content.get("seed"),
        content,
    )


def read_image(text: str) -> Image.Image:
    """Base64 of an image file as a PIL image.

    Raises:
        ServerFailed: It is none.
    """
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text)))
        image.load()
    except (binascii.Error, OSError, TypeError) as error:
        raise ServerFailed(
            f"expected an image in base64 in the answer: {error}"
        ) from error
    return image


def _read_prediction(
    model: str, version: int, raw: dict[str, Any], top_k: int | None
) -> Prediction:
    classes = tuple(_read_classes(raw))
    label = _first(raw, "label", "digit", "party")
    if label is None and classes:
        label = classes[0].label
    text = None if label is None else str(label)
    score = _read_score(model, raw, text, classes)
    best = classes[:top_k]
    return Prediction(model, version, raw, text, score, best, raw.get("value"))


def _read_classes(raw: dict[str, Any]) -> Iterator[Class]:
    """The classes that an answer lists, by index where they have no names."""
    listed = _first(raw, "classes", "shares")
    if isinstance(listed, list):
        for each in listed:
            yield Class(str(each["label"]), float(_first(each, "score", "probability")))
        return
    numbers = raw.get("probabilities")
    if isinstance(numbers, list):
        for index in sorted(range(len(numbers)), key=numbers.__getitem__, reverse=True):
            yield Class(str(index), float(numbers[index]))


def _read_score(
    model: str, raw: dict[str, Any], label: str | None, classes: Sequence[Class]
) -> float | None:
    found = _first(raw, "score", "confidence")
    if found is not None:
        return float(found)
    for each in classes:
        if each.label == label:
            return each.score
    probability = raw.get("probability")
    if probability is None or model not in POSITIVE:
        return None
    score = float(probability if label == POSITIVE[model] else 1 - probability)
    return round(score, 6)  # as the service rounds


def _first(raw: Mapping[str, Any], *names: str) -> Any:
    return next((raw[name] for name in names if raw.get(name) is not None), None)
