"""What an operator wants of each model: the file `models.toml` beside the models.

docs/models-toml.md lists every key. The file is optional, and so is every key in it:
what it does not say, the settings say.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from service.contract.contract import Contract
from service.contract.manifest import Manifest
from service.contract.signature import Frozen

FILENAME = "models.toml"
STABLE = "stable"  # the label of the version that answers where none is named
MOST_BYTES = 1 << 20  # of the file
MOST_SHOWN = 80  # characters of a wrong value
MOST_CHARACTERS = 500  # of a message
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NOT_BATCHED = "batching is off in models.toml"
LAST_VERSION = 2**32 - 1
MOST_NEWEST = 32
MOST_ROWS = 65_536  # of a batch

Number = Annotated[int, Field(ge=1, le=LAST_VERSION, strict=True)]
Rows = Annotated[int, Field(ge=1, le=MOST_ROWS, strict=True)]
WantedRuntime = Literal["auto", "openvino", "tensorflow"]
WantedPrecision = Literal["auto", "float32", "bfloat16"]
Given = TypeVar("Given", Contract, Manifest)


class PolicyError(Exception):
    """models.toml cannot be taken as it is; the message says why."""


class Latest(Frozen):
    """The newest so many versions that can be loaded."""

    latest: int = Field(ge=1, le=MOST_NEWEST, strict=True)


class Canary(Frozen):
    """A part of the requests that name no version goes to a label's."""

    label: str
    share: float = Field(ge=0, le=1, strict=True)


def _check_versions(value: Any) -> Any:
    """One message for what may be written in four ways."""
    if isinstance(value, Latest) or value in ("latest", "all") or _are_versions(value):
        return value
    if isinstance(value, dict) and [*value] == ["latest"]:
        newest = value["latest"]
        if type(newest) is int and 1 <= newest <= MOST_NEWEST:
            return value
    raise ValueError(
        f'expected "latest", {{latest = <1 to {MOST_NEWEST}>}}, "all" or a list of '
        f"versions, received {value!r}"
    )


def _are_versions(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(type(each) is int and 1 <= each <= LAST_VERSION for each in value)
    )


def _check_batch_sizes(value: Any) -> Any:
    rising = (
        isinstance(value, list | tuple)
        and all(type(each) is int and 1 <= each <= MOST_ROWS for each in value)
        and list(value) == sorted(set(value))
    )
    if value is None or (value and rising):
        return value
    raise ValueError(
        f"expected sizes from 1 to {MOST_ROWS} that rise, such as [1, 4, 16], "
        f"received {value!r}"
    )


def _check_label(value: Any) -> Any:
    if isinstance(value, str) and not LABEL.fullmatch(value):
        raise ValueError(
            "expected a label of letters, digits, dots, dashes and underscores"
        )
    return value


Versions = Annotated[
    Literal["latest", "all"] | Latest | tuple[Number, ...],
    BeforeValidator(_check_versions),
]
Label = Annotated[str, BeforeValidator(_check_label)]


class ModelPolicy(Frozen):
    """The keys of `[models.<name>]`. None = what the settings say."""

    versions: Versions | None = Field(
        None, description="which versions are in memory, beside those with a label"
    )
    labels: dict[Label, Number] = Field(
        default_factory=dict, description="names of versions"
    )
    canary: Canary | None = Field(
        None, description="the label that gets a share of what names no version"
    )
    batch_sizes: Annotated[
        tuple[Rows, ...] | None, BeforeValidator(_check_batch_sizes)
    ] = Field(None, description="rows a batch may have, rising")
    max_batch_rows: Rows | None = Field(None, description="most rows in one batch")
    max_queue_rows: int | None = Field(
        None, ge=1, strict=True, description="rows that may wait for the model"
    )
    timeout_ms: int | None = Field(
        None, ge=1, strict=True, description="a request's time, where it names none"
    )
    batching: bool = Field(
        True, strict=True, description="whether requests share batches"
    )
    precision: WantedPrecision | None = Field(None, description="what it computes in")
    runtime: WantedRuntime = Field(
        "auto", description="what computes; auto = what the setting says"
    )
    priority: Literal["low", "normal", "high"] = Field(
        "normal", description="of its threads, where cores are short"
    )
    allow_operations: tuple[str, ...] = Field(
        (), description="operations that are refused elsewhere"
    )

    @model_validator(mode="after")
    def _check_canary(self) -> "ModelPolicy":
        if self.canary is not None and self.canary.label not in self.labels:
            known = ", ".join(self.labels) or "none"
            raise ValueError(
                f"canary: expected one of the labels ({known}), "
                f"received {self.canary.label!r}"
            )
        return self

    @property
    def loading(self) -> "ModelPolicy":
        """What counts when a version is loaded; the rest is heeded at every request."""
        return self.model_copy(
            update={"versions": None, "labels": {}, "canary": None, "timeout_ms": None}
        )

    def apply(self, contract: Given) -> Given:
        """The contract with what is said of batches here."""
        if self.batch_sizes is not None:
            contract = contract.model_copy(update={"batch_sizes": self.batch_sizes})
        if not self.batching and isinstance(contract, Contract):
            for signature in contract.signatures:
                if contract.batches(signature):
                    contract = contract.without_batching(signature, NOT_BATCHED)
        return contract


class Policies(Frozen):
    """The whole file."""

    models: dict[str, ModelPolicy] = Field(default_factory=dict)


def read_policies(path: Path) -> Policies:
    """What the file says; nothing where there is none.

    Raises:
        PolicyError: It cannot be read, or says what it cannot mean.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Policies()
    except OSError as error:
        raise PolicyError(f"{FILENAME} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise PolicyError(f"{FILENAME}: expected at most {MOST_BYTES} bytes")
    return parse_policies(content)


def parse_policies(content: bytes) -> Policies:
    """What the content of a file says.

    Raises:
        PolicyError: See `read_policies`.
    """
    try:
        found = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{FILENAME}: expected TOML, received {error}") from error
    try:
        return Policies.model_validate(found)
    except ValidationError as error:
        said = "; ".join(map(_describe, error.errors()[:5]))
        raise PolicyError(f"{FILENAME}: {said}") from error


def _describe(error: ErrorDetails) -> str:
    place = [str(part) for part in error["loc"] if part != "[key]"]
    where = ".".join(place)
    if error["type"] == "extra_forbidden":
        return (
            f"{where}: expected a known key ({_known(place)}), received {place[-1]!r}"
        )
    said = error["msg"].removeprefix("Value error, ")
    said = said.replace("Input should be", "expected")
    if error["type"] == "missing":
        return f"{where}: expected a value, received nothing"
    if error["type"] == "value_error" and ", received " in said:
        return f"{where}: {said[:MOST_CHARACTERS]}"
    received = repr(error["input"])
    if len(received) > MOST_SHOWN:
        received = received[:MOST_SHOWN] + "…"
    return f"{where}: {said}, received {received}"


def _known(place: list[str]) -> str:
    """The keys that may stand where an unknown one does."""
    fields: Mapping[str, Any] = Policies.model_fields
    if place[:1] == ["models"]:
        fields = ModelPolicy.model_fields
        if "canary" in place[2:-1]:
            fields = Canary.model_fields
    near = difflib.get_close_matches(place[-1], fields, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ", ".join(fields) + hint
