"""Commands that ask or tell a running service, and `servery models`."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click

from service.cli_trust import trusting
from service.contract.integrity import is_covered, verify_files
from service.contract.manifest import FILENAME as MANIFEST
from service.contract.manifest import Manifest, ManifestError, read_manifest
from service.contract.policy import (
    FILENAME,
    Latest,
    ModelPolicy,
    Policies,
    PolicyError,
    read_policies,
)
from service.contract.task import kind_of
from service.engine.disk import find_folder, find_versions
from service.settings import Settings

ADMIN = "/v1/admin"  # as `service.web.state` has it, which is heavier to import
TIMEOUT_S = 600.0  # the service gives up sooner
URL = "http://127.0.0.1:8000"

Function = Callable[..., None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and who asks it."""

    url: str
    token: str | None
    ca: Path | None
    certificate: Path | None

    def tell(self, method: str, path: str, version: int | None = None) -> None:
        """Send a command, and print what came of it."""
        query = f"?{urlencode({'version': version})}" if version else ""
        click.echo(self.ask(method, path + query)["message"])

    def ask(self, method: str, path: str) -> Any:
        """The JSON that it answers.

        Raises:
            ClickException: It cannot be reached, or refuses.
        """
        return self._open(method, path, json.load)

    def read(self, path: str) -> str:
        """The text that it answers.

        Raises:
            ClickException: It cannot be reached, or refuses.
        """
        return self._open("GET", path, lambda answer: str(answer.read(), "utf-8"))

    def _open(self, method: str, path: str, read: Callable[[Any], T]) -> T:
        if not self.url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url: expected http://…, received {self.url!r}")
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(  # noqa: S310 - checked above
            self.url.rstrip("/") + path, method=method, headers=headers
        )
        try:
            with self._opener().open(request, timeout=TIMEOUT_S) as answer:
                return read(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise click.ClickException(_read_error(error)) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise click.ClickException(
                f"{self.url} cannot be asked: {reason}"
            ) from error

    def _opener(self) -> urllib.request.OpenerDirector:
        """Goes there directly, by no proxy."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca or self.certificate:
            from servery.errors import InvalidInput
            from servery.trust import Trust

            try:
                context = Trust(self.ca, self.certificate).context()
            except InvalidInput as error:
                raise click.UsageError(error.message) from error
            handlers.append(urllib.request.HTTPSHandler(context=context))
        return urllib.request.build_opener(*handlers)


def on_service(function: Function) -> Function:
    """Give a command its running service, by the options that say which."""

    @wraps(function)
    def command(
        url: str,
        token: str | None,
        ca: Path | None,
        certificate: Path | None,
        **given: Any,
    ) -> None:
        function(Service(url, token, ca, certificate), **given)

    url = click.option(
        "--url",
        envvar="SERVERY_URL",
        default=URL,
        show_default=True,
        help="Where the service is.",
    )
    token = click.option(
        "--token",
        envvar="SERVERY_ADMIN_TOKEN",
        help="The service's token; better in SERVERY_ADMIN_TOKEN.",
    )
    return url(token(trusting(command)))


def _on_version(act: str, about: str) -> click.Command:
    """A command that does something to a version of a model, or to all of it."""

    @click.command(act, help=about)
    @on_service
    @click.argument("model")
    @click.argument("version", type=click.IntRange(1), required=False)
    def command(service: Service, model: str, version: int | None) -> None:
        service.tell("POST", f"{_path(model)}/{act}", version)

    return command


load = _on_version(
    "load",
    "Load a version into a running service, or what the policy of MODEL asks for.",
)
unload = _on_version(
    "unload",
    "Unload a version, or all of MODEL, until it is loaded or the service restarts.",
)


@click.command()
@on_service
@click.argument("model")
@click.argument("name")
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--remove", is_flag=True, help="Remove the label instead.")
def label(
    service: Service,
    model: str,
    name: str,
    version: int | None,
    *,
    remove: bool,
) -> None:
    """Move the label NAME of MODEL to VERSION, once that is ready.

    The label `stable` names the version that answers where none is asked for. It stays
    there until the service restarts; models.toml makes it last.
    """
    if remove == (version is not None):
        raise click.UsageError("expected either a version or --remove")
    path = f"{_path(model)}/labels/{quote(name, safe='')}"
    service.tell("DELETE" if remove else "PUT", path, version)


@click.command()
@on_service
@click.argument("model")
def rollback(service: Service, model: str) -> None:
    """Have the version below the present one answer: move `stable` to it.

    Newer versions do not answer until the label is moved or removed.
    """
    service.tell("POST", f"{_path(model)}/rollback")


@click.command()
@on_service
def reload(service: Service) -> None:
    """Have a running service read models.toml, and look at the models, now."""
    service.tell("POST", f"{ADMIN}/reload")


@click.command()
@click.option("--artifacts", type=click.Path(path_type=Path), help="Folder to look in.")
@click.option("--verify", is_flag=True, help="Check the SHA-256 of every file.")
@click.option("--url", envvar="SERVERY_URL", help="Ask a running service instead.")
@trusting
def models(
    artifacts: Path | None,
    url: str | None,
    ca: Path | None,
    certificate: Path | None,
    *,
    verify: bool,
) -> None:
    """List models and versions, with what models.toml says of them.

    What is on disk, with what was measured of it; or with --url what a running service
    has in memory, in which state, under which labels.
    """
    if url:
        _show_running(Service(url, None, ca, certificate))
        return
    folder = artifacts or Settings().artifacts
    found = find_versions(folder)
    if not found:
        raise click.ClickException(
            f"no model in {folder.resolve()}; train one: make train"
        )
    policies, broken = Policies(), False
    try:
        policies = read_policies(folder / FILENAME)
    except PolicyError as error:
        broken = True
        click.echo(f"broken: {error}", err=True)
    for name, versions in found.items():
        for version in versions:
            broken |= not _show_version(folder, name, version, verify=verify)
        if name in policies.models:
            click.echo(f"{'':12}       {describe_policy(policies.models[name])}")
    for name in sorted(policies.models.keys() - found.keys()):
        click.echo(f"{name:12}       in {FILENAME}, and not on disk", err=True)
    if broken:
        raise SystemExit(1)


def describe_policy(policy: ModelPolicy) -> str:
    """What models.toml says of a model, on one line."""
    said = policy.model_dump(exclude_defaults=True)
    if isinstance(policy.versions, Latest):
        said["versions"] = f"the newest {policy.versions.latest}"
    if policy.labels:
        labels = [f"{name} {version}" for name, version in policy.labels.items()]
        said["labels"] = ", ".join(labels)
    if policy.canary is not None:
        said["canary"] = (
            f"{policy.canary.share:.4g} of requests to {policy.canary.label}"
        )
    said["runtime"] = policy.runtime
    return "; ".join(f"{key}: {_show(value)}" for key, value in said.items())


def _show(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _show_version(folder: Path, name: str, version: int, *, verify: bool) -> bool:
    """Print a version on disk, and say whether it is whole."""
    home = find_folder(folder, name, version)
    if not (home / MANIFEST).exists():  # a SavedModel by itself: nothing was measured
        click.echo(f"{name:12} {version:>4}  {'–':10}  {'–':>7}")
        return True
    try:
        manifest = read_manifest(home)
        if verify:
            verify_files(home, manifest)
    except ManifestError as error:
        click.echo(f"{name:12} {version:>4}  broken: {error}", err=True)
        return False
    shown, date = _accuracy(manifest), manifest.created.date()
    about = [kind_of(manifest.task) or ""]
    if verify and not is_covered(home):
        about.append("manifest not covered by a hash")
    click.echo(f"{name:12} {version:>4}  {date}  {shown:>7}  {', '.join(about)}")
    return True


def _accuracy(manifest: Manifest) -> str:
    """Of the test rows; as they are answered, where a class is never an answer."""
    test = manifest.metrics.get("test_read", manifest.metrics.get("test"))
    accuracy = test.get("accuracy") if isinstance(test, dict) else None
    return f"{accuracy:.2%}" if isinstance(accuracy, float) else "–"


def _show_running(service: Service) -> None:
    found = service.ask("GET", "/v1/models")
    for model in found["models"]:
        name = model["name"]
        if not model["versions"] and not model["notes"]:
            continue  # an endpoint without a model
        detail = service.ask("GET", f"/v1/models/{quote(name, safe='')}")
        for each in detail["versions"]:
            named = [k for k, v in detail["labels"].items() if v == each["version"]]
            if each["version"] == detail["default_version"]:
                named.insert(0, "answers")
            reason = f"  ({each['reason']})" if each["reason"] else ""
            click.echo(
                f"{name:12} {each['version']:>4}  {each['state']:8}  "
                f"{', '.join(named)}{reason}".rstrip()
            )
        policy = ModelPolicy.model_validate_json(json.dumps(detail["policy"]))
        click.echo(f"{'':12}       {describe_policy(policy)}")
        for note in detail["notes"]:
            click.echo(f"{name:12}       {note}", err=True)
    if found["problem"]:
        raise click.ClickException(found["problem"])


def _path(model: str) -> str:
    return f"{ADMIN}/models/{quote(model, safe='')}"


def _read_error(error: urllib.error.HTTPError) -> str:
    content = error.read()
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the service answered {error.code} {error.reason}"


COMMANDS = (models, load, unload, label, rollback, reload)
