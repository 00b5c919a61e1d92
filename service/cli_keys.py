"""`servery keys`: the file of API keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from service.access.editing import add_key, remove_key
from service.access.keys import (
    BULK,
    INTERACTIVE,
    ApiKey,
    KeysError,
    hash_key,
    make_key,
    read_keys,
)
from service.wording import describe_faults

T = TypeVar("T")

file_option = click.option(
    "--file", "path", envvar="SERVERY_API_KEYS", show_envvar=True, required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of keys, of which the service is told by SERVERY_API_KEYS.",
)  # fmt: skip


@click.group()
def keys() -> None:
    """Add, list and revoke the API keys of a service.

    \b
    export SERVERY_API_KEYS=keys.toml
    servery keys add mobile-app --models "digits,sent*" --requests-per-s 20
    servery serve                  # reads the file again when it changes
    """  # noqa: D301


@keys.command()
@file_option
@click.argument("name")
@click.option("--models", default="*", show_default=True, help="Names: digits,sent*.")
@click.option("--requests-per-s", type=float, help="[default: as many as are sent]")
@click.option("--rows-per-s", type=float, help="Of all models together; likewise.")
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="From when on it is worth nothing, in UTC.  [default: never]",
)
@click.option(
    "--priority",
    type=click.Choice([INTERACTIVE, BULK]),
    help="The highest that it may ask for.  [default: interactive]",
)
def add(
    path: Path, name: str, models: str, expires: datetime | None, **others: Any
) -> None:
    """Make a key for NAME, and print it: it is shown once, and kept nowhere."""
    key = make_key()
    given = {
        "sha256": hash_key(key.encode()).hex(),
        "models": tuple(filter(None, map(str.strip, models.split(",")))),
        "expires": expires and expires.replace(tzinfo=UTC),
        **others,
    }
    _try(lambda: add_key(path, name, _check(given)))
    click.echo(key)
    click.echo(f"This is the key of {name}; it is not shown again.", err=True)


@keys.command(name="list")
@file_option
def list_keys(path: Path) -> None:
    """List the keys: whose they are, what they may, until when."""
    for name, key in _try(lambda: read_keys(path)).items():
        click.echo(f"{name:20}  {_describe(key)}")


@keys.command()
@file_option
@click.argument("name")
def revoke(path: Path, name: str) -> None:
    """Take the key of NAME out of the file; a running service soon heeds it."""
    _try(lambda: remove_key(path, name))
    click.echo(f"{name} is revoked.")


def _check(given: dict[str, Any]) -> ApiKey:
    try:
        return ApiKey(**given)
    except ValidationError as error:
        raise KeysError(describe_faults(error.errors())) from error


def _describe(key: ApiKey) -> str:
    said = [f"models: {', '.join(key.models)}"]
    if key.requests_per_s is not None:
        said.append(f"{key.requests_per_s:g} requests/s")
    if key.rows_per_s is not None:
        said.append(f"{key.rows_per_s:g} rows/s")
    if key.priority == BULK:
        said.append("bulk only")
    if key.expires is not None:
        has = "expired" if key.expires <= datetime.now(UTC) else "expires"
        said.append(f"{has} {key.expires.isoformat()}")
    return "; ".join(said)


def _try(work: Callable[[], T]) -> T:
    try:
        return work()
    except KeysError as error:
        raise click.ClickException(str(error)) from error
