"""The file of API keys: whose they are, what they may ask, how much, until when.

It holds no key, only the SHA-256 of each. A key is 256 random bits, so there is nothing
to guess: what makes hashes slow guards passwords that people think of, and would cost
every request as much as a thousand predictions.
"""

import hashlib
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from service.wording import describe_faults, show

PREFIX = "servery_"  # by which those who search for lost secrets know one
RANDOM_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_BYTES = 1 << 20  # of the file
MOST_KEYS = 4096
INTERACTIVE, BULK = "interactive", "bulk"  # priorities


class KeysError(Exception):
    """The file of keys cannot be taken, or changed, as it is; the message says why."""


def _check_digest(value: Any) -> Any:
    if not (isinstance(value, str) and DIGEST.fullmatch(value)):
        # not what was received: it may be a key
        raise ValueError("expected 64 hexadecimal digits, received something else")
    return value


def check_name(value: str) -> str:
    """The name of a key, as the file, the log and metrics have it.

    Raises:
        ValueError: It can be none.
    """
    if not NAME.fullmatch(value):
        raise ValueError(
            "expected a name of at most 64 letters, digits, dashes and underscores, "
            f"received {show(value)}"
        )
    return value


Digest = Annotated[str, BeforeValidator(_check_digest)]
Name = Annotated[str, BeforeValidator(check_name)]
Rate = Annotated[float, Field(ge=0.001, le=1e6, strict=True)]


class ApiKey(BaseModel):
    """The table `[keys.<name>]`.

    Attributes:
        sha256: Of the key, in hexadecimal digits.
        models: Names of the models that it may ask; `*` stands for any characters.
        requests_per_s: None: as many as the service takes.
        rows_per_s: Of all models together; likewise.
        expires: From when on it is worth nothing; None: never.
        priority: The highest that it may ask for; None: interactive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Digest
    models: tuple[str, ...] = Field(("*",), min_length=1)
    requests_per_s: Rate | None = None
    rows_per_s: Rate | None = None
    expires: AwareDatetime | None = None
    priority: Literal["interactive", "bulk"] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: dict[Name, ApiKey] = Field(default_factory=dict, max_length=MOST_KEYS)


def make_key() -> str:
    """A new key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def hash_key(key: bytes) -> bytes:
    """What is kept of a key: 32 bytes."""
    return hashlib.sha256(key).digest()


def read_keys(path: Path) -> dict[str, ApiKey]:
    """The keys of a file, by their names.

    Raises:
        KeysError: It cannot be read, or says what it cannot mean.
    """
    return parse_keys(read_content(path), path)


def read_content(path: Path) -> bytes:
    """The bytes of a file of keys.

    Raises:
        KeysError: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise KeysError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise KeysError(f"{path}: expected at most {MOST_BYTES:,} bytes")
    return content


def parse_keys(content: bytes, path: Path) -> dict[str, ApiKey]:
    """The keys that the content of a file names.

    Raises:
        KeysError: See `read_keys`.
    """
    try:
        found = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise KeysError(f"{path}: expected TOML, received {error}") from error
    try:
        keys = _File.model_validate(found).keys
    except ValidationError as error:
        said = describe_faults([_hide(fault) for fault in error.errors()])
        raise KeysError(f"{path}: {said}") from error
    _check_distinct(keys, path)
    return keys


def _hide(fault: Mapping[str, Any]) -> Mapping[str, Any]:
    """Not what an unknown field holds, which may be a key: messages are logged."""
    is_unknown = fault["type"] == "extra_forbidden"
    return {**fault, "input": "one"} if is_unknown else fault


def _check_distinct(keys: Mapping[str, ApiKey], path: Path) -> None:
    """One key under two names would have the rights of either."""
    names: dict[str, str] = {}
    for name, key in keys.items():
        other = names.setdefault(key.sha256, name)
        if other != name:
            raise KeysError(
                f"{path}: expected a key of its own for each name, received one for "
                f"{other} and {name}"
            )
