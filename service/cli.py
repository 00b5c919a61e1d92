"""The `servery` command line."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from service import cli_admin
from service.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="servery", message="%(prog)s %(version)s")
def cli() -> None:
    """Serve versioned TensorFlow SavedModels, in full batches, over HTTP."""


@cli.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="TCP port; 0 takes a free one.  [default: 8000]")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path),
    help="Folder that holds <model>/<version>/.  [default: artifacts]",
)
@click.option("--http-processes", type=int, help="Processes that speak HTTP.")
@click.option("--root-path", help="Where a proxy has put the service: /servery.")
@click.option(
    "--forwarded-allow-ips", help="Proxies whose X-Forwarded-… headers are believed."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]))
def serve(**options: Any) -> None:
    """Serve every model in the artifacts folder.

    All settings are also environment variables, SERVERY_PORT and so on; an option beats
    a variable. `servery settings` lists them.
    """
    from service.processes.sockets import (
        AddressTakenError,
        listen_together,
        show_address,
    )
    from service.processes.supervisor import Supervisor

    given = {name: value for name, value in options.items() if value is not None}
    settings = _settings(given)
    number = settings.number_of_http_processes()
    try:
        listeners = listen_together(settings.host, settings.port, number)
    except AddressTakenError as error:
        raise click.ClickException(
            f"{error}. Choose another port with --port."
        ) from error
    supervisor = Supervisor(settings, listeners)
    address = show_address(*listeners[0].getsockname()[:2])
    with suppress(OSError):  # nobody needs to read it
        click.echo(f"Servery on http://{address}, documented at /docs", err=True)
    raise SystemExit(asyncio.run(supervisor.run()))


@cli.command()
def settings() -> None:
    """List every setting: its variable, its value here, what it means."""
    current = _settings({})
    for name, field in Settings.model_fields.items():
        click.echo(f"SERVERY_{name.upper()}={getattr(current, name)}")
        click.echo(f"    {field.description}")


class _LoadTest(click.Group):
    """The commands of `loadtest`, imported when one is asked for: they are an extra."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._group().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._group().get_command(ctx, cmd_name)

    def _group(self) -> click.Group:
        try:
            from loadtest.commands import cli as group
        except ImportError as error:
            raise click.ClickException(
                f"{error}. The load tests are an extra: pip install 'servery[loadtest]'"
            ) from error
        return group


for command in cli_admin.COMMANDS:
    cli.add_command(command)
cli.add_command(
    _LoadTest("loadtest", help="Load a running service: what its users would see.")
)


def _settings(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}, "
            f"received {each['input']!r}"
            for each in error.errors()
        ]
        raise click.ClickException("settings: " + "; ".join(wrong)) from error


if __name__ == "__main__":
    cli()
