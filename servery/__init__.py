"""What a Python program imports: `export`, from a notebook to a served version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from servery.versions import ExportRefused

__all__ = ["ExportRefused", "export"]


def export(
    model: Any,
    name: str,
    *,
    artifacts: Path | str = "artifacts",
    samples: Mapping[str, Any] | Any | None = None,
    labels: Sequence[str] | None = None,
    task: str | None = None,
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
        labels: The name of each class, by its index.
        task: What the model does, `image classification`.
        version: By default the next free integer.

    Returns:
        The version's folder, `<artifacts>/<name>/<version>`.

    Raises:
        ExportRefused: The model cannot be exported, answers otherwise once reloaded, or
            the version exists; the message says what to do.
    """
    from servery.exporter import export_model  # which imports TensorFlow: seconds

    return export_model(
        model,
        name,
        Path(artifacts),
        samples=samples,
        labels=tuple(labels or ()),
        task=task,
        version=version,
    ).folder
