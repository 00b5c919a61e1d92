"""Options of commands that ask a service which may speak TLS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def trusting(command: Command) -> Command:
    """Add `--ca` and `--certificate`, which come as `ca` and `certificate`."""
    ca = click.option(
        "--ca", envvar="SERVERY_CA", type=_FILE,
        help="File of whom to trust for https, in PEM.  [default: the system's]",
    )  # fmt: skip
    certificate = click.option(
        "--certificate", envvar="SERVERY_CLIENT_CERTIFICATE", type=_FILE,
        help="File with a certificate and its key, for a service that asks for one.",
    )  # fmt: skip
    return ca(certificate(command))
