"""The `servery` command line."""

import asyncio
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, ManifestError, read_manifest
from service.engine.disk import find_versions
from service.logs import configure_logging
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
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]))
def serve(**options: Any) -> None:
    """Serve every model in the artifacts folder.

    All settings are also environment variables, SERVERY_PORT and so on; an option beats
    a variable. `servery settings` lists them.
    """
    from service.processes.supervisor import AddressTakenError, Supervisor, listen

    given = {name: value for name, value in options.items() if value is not None}
    settings = _settings(given)
    configure_logging(settings.log_level, "supervisor")
    try:
        listener = listen(settings.host, settings.port)
    except AddressTakenError as error:
        raise click.ClickException(
            f"{error}. Choose another port with --port."
        ) from error
    host, port = listener.getsockname()[:2]
    click.echo(f"Servery on http://{host}:{port}, documented at /docs", err=True)
    asyncio.run(Supervisor(settings, listener).run())


@cli.command()
@click.option("--artifacts", type=click.Path(path_type=Path), help="Folder to look in.")
@click.option("--verify", is_flag=True, help="Check the SHA-256 of every file.")
def models(artifacts: Path | None, verify: bool) -> None:
    """List the models and versions on disk, with what was measured of them."""
    settings = _settings({"artifacts": artifacts} if artifacts else {})
    found = find_versions(settings.artifacts)
    if not found:
        raise click.ClickException(
            f"no model in {settings.artifacts.resolve()}; train one: make train"
        )
    broken = False
    for name, versions in found.items():
        for version in versions:
            folder = settings.artifacts / name / str(version)
            try:
                manifest = read_manifest(folder)
                if verify:
                    verify_files(folder, manifest)
            except ManifestError as error:
                broken = True
                click.echo(f"{name:12} {version:>4}  broken: {error}", err=True)
                continue
            shown = _accuracy(manifest)
            date = manifest.created.date()
            click.echo(
                f"{name:12} {version:>4}  {date}  {shown:>7}  {manifest.task or ''}"
            )
    if broken:
        raise SystemExit(1)


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


def _accuracy(manifest: Manifest) -> str:
    test = manifest.metrics.get("test")
    accuracy = test.get("accuracy") if isinstance(test, dict) else None
    return f"{accuracy:.2%}" if isinstance(accuracy, float) else "–"


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
