"""What a Python program imports: from a notebook to a served version, and its answers.

`export` writes versions, a task such as `ImageClassification` says what they are for,
`Client` and `AsyncClient` call them. Nothing heavy is imported before it is used.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servery.errors import (
    AccessRefused,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    ServerFailed,
    ServeryError,
    Unavailable,
)
from servery.versions import ExportRefused

if TYPE_CHECKING:
    from servery.client.answers import (
        Class,
        GeneratedImages,
        GeneratedTexts,
        Model,
        Prediction,
        TextPiece,
    )
    from servery.client.async_client import AsyncClient
    from servery.client.client import Client
    from service.contract.table import TableField
    from service.contract.task import (
        AudioClassification,
        Example,
        ImageClassification,
        ImageGeneration,
        ImageSegmentation,
        TabularClassification,
        TabularRegression,
        Task,
        TextClassification,
        TextControl,
        TextGeneration,
    )

__all__ = [
    "AccessRefused",
    "AsyncClient",
    "AudioClassification",
    "Class",
    "Client",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Example",
    "ExportRefused",
    "GeneratedImages",
    "GeneratedTexts",
    "ImageClassification",
    "ImageGeneration",
    "ImageSegmentation",
    "InvalidInput",
    "Model",
    "NotFound",
    "Prediction",
    "ServerFailed",
    "ServeryError",
    "TableField",
    "TabularClassification",
    "TabularRegression",
    "TextClassification",
    "TextControl",
    "TextGeneration",
    "TextPiece",
    "Unavailable",
    "export",
]

_HOMES = {
    "AsyncClient": "servery.client.async_client",
    "Client": "servery.client.client",
    "TableField": "service.contract.table",
    **dict.fromkeys(
        (
            "Class",
            "GeneratedImages",
            "GeneratedTexts",
            "Model",
            "Prediction",
            "TextPiece",
        ),
        "servery.client.answers",
    ),
}
_TASKS = "service.contract.task"  # of all other names


def __getattr__(name: str) -> Any:
    """Import what is asked for: httpx, Pillow and Pydantic take a while."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, _TASKS)), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


def export(
    model: Any,
    name: str,
    *,
    artifacts: Path | str = "artifacts",
    samples: Mapping[str, Any] | Any | None = None,
    expected: Any | None = None,
    labels: Sequence[str] | None = None,
    task: "Task | Mapping[str, Any] | str | None" = None,
    version: int | None = None,
) -> Path:
    """Write a model as a version that a running service takes up.

    The version is written whole or not at all, reloaded, and compared with `model`.
    Names and dtypes of inputs and outputs are kept where the author gave them.

    Args:
        model: A built `keras.Model`, Sequential, functional or subclassed; or a
            `tf.Module` with functions that have an `input_signature`.
        name: The model's, as in its URL: letters, digits, dots, dashes, underscores.
        artifacts: The folder of all models.
        samples: Rows to compare by: an array for each input by name, or the array of
            the only one. By default rows are drawn that fit the signature.
        expected: The right answer to each of the samples, (rows,): the index of a class
            or its label, or a number. It is kept with them.
        labels: The name of each class, by its index.
        task: What the model is for: a declaration such as
            `servery.ImageClassification(size=(28, 28), colour="grey")`, or the same as
            a dict with its `kind`, which gives the model a typed endpoint; or only a
            name for people, `image classification`.
        version: By default the next free integer.

    Returns:
        The version's folder, `<artifacts>/<name>/<version>`.

    Raises:
        ExportRefused: The model cannot be exported, cannot do that task, answers
            otherwise once reloaded or than an example of the task says, or the version
            exists; the message says what to do.
    """
    from servery.exporter import export_model  # which imports TensorFlow: seconds

    return export_model(
        model,
        name,
        Path(artifacts),
        samples=samples,
        expected=expected,
        labels=tuple(labels or ()),
        task=task,
        version=version,
    ).folder
