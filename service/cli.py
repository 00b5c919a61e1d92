"""The `servery` command line."""

import asyncio
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from service.settings import Settings

OPEN = """\
*******************************************************************************
  WARNING: everybody who reaches this address may ask every model, as much as
  they like. `servery keys add NAME` makes an API key, SERVERY_API_KEYS names
  the file; or put a proxy in front that asks who calls. See docs/security.md.
*******************************************************************************"""


class _Commands(click.Group):
    """Those below, and those of other modules, which `serve` does not wait for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_other_commands()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        return found or _other_commands().get(cmd_name)


def _other_commands() -> dict[str, click.Command]:
    from service.cli_admin import COMMANDS
    from service.cli_batch import batch
    from service.cli_drift import drift
    from service.cli_keys import keys
    from service.cli_predict import predict

    commands = (*COMMANDS, batch, drift, keys, predict)
    return {command.name or "": command for command in commands}


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="servery", message="%(prog)s %(version)s")
def cli() -> None:
    """Serve versioned TensorFlow SavedModels, in full batches, over HTTP."""


@cli.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="TCP port; 0 takes a free one.  [default: 8000]")
@click.option(
    "--grpc-port", type=int, help="TCP port for gRPC; 0 = none.  [default: 0]"
)
@click.option(
    "--admin-port",
    type=int,
    help="TCP port on which alone metrics, docs and administration answer.  "
    "[default: that of all]",
)
@click.option("--admin-host", help="Its address.  [default: 127.0.0.1]")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path),
    help="Folder that holds <model>/<version>/.  [default: artifacts]",
)
@click.option(
    "--api-keys",
    type=click.Path(path_type=Path),
    help="File of hashed API keys; see `servery keys`.  [default: none are asked for]",
)
@click.option(
    "--tls-certificate",
    type=click.Path(path_type=Path),
    help="File of the certificate that is shown, in PEM.  [default: no TLS]",
)
@click.option(
    "--tls-key", type=click.Path(path_type=Path), help="File of its private key."
)
@click.option(
    "--tls-client-ca",
    type=click.Path(path_type=Path),
    help="File of who signs callers' certificates.  [default: none are asked for]",
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
    )
    from service.processes.supervisor import Supervisor
    from service.rpc.port import reserve

    given = {name: value for name, value in options.items() if value is not None}
    settings = _settings(given)
    _check_keys(settings.api_keys)
    _check_certificates(settings)
    _check_tracing(settings)
    number = settings.number_of_http_processes()
    with ExitStack() as ports:
        try:
            listeners = [
                ports.enter_context(each)
                for each in listen_together(settings.host, settings.port, number)
            ]
            admin_listeners = _listen_for_operators(settings, ports)
            held = reserve(settings.host, settings.grpc_port)
        except AddressTakenError as error:
            raise click.ClickException(
                f"{error}. Choose another port with --port, --grpc-port or "
                "--admin-port."
            ) from error
        supervisor = Supervisor(settings, listeners, admin_listeners)
        if held is not None:
            ports.enter_context(held)
        with suppress(OSError):  # nobody needs to read it
            _greet(settings, listeners[0])
        raise SystemExit(asyncio.run(supervisor.run()))


def _listen_for_operators(settings: Settings, ports: ExitStack) -> list[socket.socket]:
    """What accepts from operators' own port, for each HTTP process; none without one.

    Raises:
        AddressTakenError: See `listen_together`.
    """
    from service.processes.sockets import listen_together

    if not settings.admin_port:
        return []
    number = settings.number_of_http_processes()
    listeners = listen_together(settings.admin_host, settings.admin_port, number)
    return [ports.enter_context(each) for each in listeners]


def _greet(settings: Settings, listener: socket.socket) -> None:
    """Say where the service is, and whether it is open to more than this machine."""
    from service.processes.sockets import is_loopback, show_address

    address, grpc = show_address(*listener.getsockname()[:2]), ""
    if settings.grpc_port:
        grpc = f", gRPC on {show_address(settings.host, settings.grpc_port)}"
    scheme = "https" if settings.has_tls() else "http"
    docs = "/docs"
    if settings.admin_port:
        host = show_address(settings.admin_host, settings.admin_port)
        docs = f"{scheme}://{host}/docs"
    click.echo(f"Servery on {scheme}://{address}, documented at {docs}{grpc}", err=True)
    is_closed = settings.api_keys or settings.tls_client_ca
    if not is_closed and not is_loopback(listener):
        click.secho(OPEN, err=True, fg="yellow", bold=True)


@cli.command(name="inspect")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def inspect_model(path: Path, as_json: bool) -> None:
    """Say what a SavedModel is, without loading it.

    PATH is its folder, or a model's folder, whose newest version is taken. What the
    model takes and gives, what would be batched, what would be refused and why; the
    exit code is 1 if anything is.
    """
    from service.contract.inspection import inspect, render
    from service.contract.saved_model import SavedModelError

    try:
        found = inspect(path)
    except SavedModelError as error:
        raise click.ClickException(str(error)) from error
    lines = [found.model_dump_json(indent=2)] if as_json else render(found)
    for line in lines:
        click.echo(line)
    if found.refused:
        raise SystemExit(1)


@cli.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="The model's name.  [default: that of the file]")
@click.option("--version", type=click.IntRange(min=1), help="[default: the next free]")
@click.option("--artifacts", type=click.Path(path_type=Path), help="Folder of models.")
@click.option(
    "--samples",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows to compare by: an .npz file with an array for each input.",
)
@click.option(
    "--task",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What it is for: a declaration in TOML or JSON; see docs/your-model.md.",
)
@click.option("--labels", help="The name of each class, in order: a,b,c.")
@click.option(
    "--allow-operations",
    is_flag=True,
    help="Take a model that reads or writes files, or calls out.",
)
def add(
    path: Path,
    name: str | None,
    version: int | None,
    artifacts: Path | None,
    samples: Path | None,
    task: Path | None,
    labels: str | None,
    allow_operations: bool,
) -> None:
    """Make a version of a model from anywhere.

    PATH is a SavedModel's folder, a .keras or an .h5 file. The version is written
    whole, reloaded, and its answers are compared with the original's: for rows of your
    own, or such as are drawn. Then the curl lines that call it are printed.
    """
    found = _settings({"artifacts": artifacts} if artifacts else {})
    from servery.report import add_and_tell
    from servery.versions import ExportRefused

    try:
        for line in add_and_tell(
            path,
            found.artifacts,
            name=name,
            version=version,
            samples=samples,
            task=task,
            labels=tuple(each.strip() for each in (labels or "").split(",") if labels),
            allow_operations=allow_operations,
            address=f"localhost:{found.port}",
        ):
            click.echo(line)
    except ExportRefused as error:
        raise click.ClickException(str(error)) from error


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


cli.add_command(
    _LoadTest("loadtest", help="Load a running service: what its users would see.")
)


def _check_keys(path: Path | None) -> None:
    """Better no service than one that knows nobody."""
    if path is not None:
        from service.access.keys import KeysError, read_keys

        try:
            read_keys(path)
        except KeysError as error:
            raise click.ClickException(f"SERVERY_API_KEYS: {error}") from error


def _check_certificates(settings: Settings) -> None:
    if settings.has_tls():
        from service.access.certificates import CertificatesError, read_identity

        try:
            read_identity(settings)
        except CertificatesError as error:
            raise click.ClickException(str(error)) from error


def _check_tracing(settings: Settings) -> None:
    from service.tracing.environment import TracingError
    from service.tracing.start import check_tracing

    try:
        check_tracing(settings)
    except TracingError as error:
        raise click.ClickException(str(error)) from error


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
