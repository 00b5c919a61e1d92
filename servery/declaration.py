"""What a model is declared to be for: read from whatever holds it, and checked."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from servery.versions import ExportRefused
from service.contract.signature import Signature
from service.contract.table import TaskError
from service.contract.task import Task, check_task
from service.wording import describe_faults

_TASK: TypeAdapter[Task] = TypeAdapter(Task)


def read_task(task: Task | Mapping[str, Any] | str | None) -> Task | str | None:
    """A declaration, made of its form in JSON where it is a dict.

    Raises:
        ExportRefused: It is no declaration; says which field is wrong.
    """
    if not isinstance(task, Mapping):
        return task
    try:
        return _TASK.validate_json(json.dumps(task))
    except ValidationError as error:
        raise ExportRefused(describe_faults(error.errors(), "task")) from error
    except TypeError as error:
        raise ExportRefused(f"task: expected what JSON can say: {error}") from error


def read_task_file(path: Path) -> Task | str | None:
    """The declaration in a file of TOML or JSON.

    Raises:
        ExportRefused: It cannot be read, or is no declaration.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
        found = tomllib.loads(content) if _is_toml(path) else json.loads(content)
    except (OSError, ValueError) as error:
        raise ExportRefused(f"task: {path.name}: {error}") from error
    if not isinstance(found, dict):
        raise ExportRefused(f"task: {path.name}: expected an object with its `kind`")
    return read_task(found)


def check_declared(
    task: Task | str | None, signatures: Mapping[str, Signature], labels: Sequence[str]
) -> None:
    """Refuse a declaration that its model cannot be.

    Raises:
        ExportRefused: Says what was expected and received.
    """
    if task is None or isinstance(task, str):
        return
    try:
        check_task(task, signatures, labels)
    except TaskError as error:
        raise ExportRefused(str(error)) from error


def read_expected(expected: Any, labels: Sequence[str], rows: int) -> npt.NDArray[Any]:
    """The right answers to samples, classes as their indices.

    Args:
        expected: (rows,) indices of classes, their labels, or numbers.
        labels: The name of each class.
        rows: How many samples there are.

    Raises:
        ExportRefused: Another number of them, or a label that there is not.
    """
    found = np.asarray(expected)
    if found.ndim != 1 or len(found) != rows:
        raise ExportRefused(
            f"expected: expected an answer to each of {rows} samples, ({rows},); "
            f"received {found.shape}"
        )
    if found.dtype.kind not in "US":
        return found
    unknown = sorted(set(found.tolist()) - set(labels))
    if unknown:
        raise ExportRefused(
            f"expected: expected one of {', '.join(labels) or 'no labels'}; received "
            f"{unknown[0]!r}"
        )
    return np.array([labels.index(each) for each in found.tolist()], np.int64)


def _is_toml(path: Path) -> bool:
    return path.suffix.lower() == ".toml"
