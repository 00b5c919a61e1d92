"""`servery drift`: what models answer now, beside what they answered in training."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.cli_admin import URL, Service
from service.cli_trust import trusting
from service.settings import Settings

if TYPE_CHECKING:  # NumPy and others take a while, which other commands need not wait
    from service.drift.report import Report

LEAST_SAVED = 200  # predictions; fewer are no measure


@click.command()
@click.argument("model", required=False)
@click.option(
    "--url", envvar="SERVERY_URL", default=URL, show_default=True,
    help="Where the service is; the port of operators, if they have one.",
)  # fmt: skip
@trusting
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read what was recorded there, in place of asking a service.",
)  # fmt: skip
@click.option(
    "--artifacts", type=click.Path(path_type=Path),
    help="With --folder: the models, whose samples are compared with.",
)  # fmt: skip
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="With --folder: only what came later, in UTC.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file for SERVERY_DRIFT_REFERENCE: this is how it should be.",
)  # fmt: skip
def drift(
    model: str | None,
    url: str,
    ca: Path | None,
    certificate: Path | None,
    folder: Path | None,
    artifacts: Path | None,
    since: datetime | None,
    save: Path | None,
    *,
    as_json: bool,
) -> None:
    """Compare what MODEL answers with what it answered in training.

    Of every version that has answered, since the service was started; or of what was
    recorded, with its inputs.

    \b
    servery drift                          # all models of a running service
    servery drift digits --json
    servery drift churn --folder /var/lib/servery/drift --since 2026-11-01
    """  # noqa: D301
    if folder is None:
        from service.drift.live import report_service

        reports = report_service(Service(url, None, ca, certificate), model)
    else:
        from service.drift.recorded import report_folder

        moment = since.replace(tzinfo=UTC) if since is not None else None
        where = artifacts or Settings().artifacts
        reports = report_folder(folder, where, model, moment)
    if not reports:
        raise click.ClickException(_nothing(model))
    if save is not None:
        _save(save, reports)
    if as_json:
        click.echo(json.dumps([each.to_json() for each in reports], indent=2))
        return
    from service.drift.report import tell

    click.echo("\n\n".join("\n".join(tell(each)) for each in reports))


def _nothing(model: str | None) -> str:
    of = f" of {model}" if model else ""
    return f"no predictions{of}: none has been counted, or none recorded"


def _save(path: Path, reports: Iterable["Report"]) -> None:
    """Write what was counted, as a file of references, whole or not at all."""
    from service.drift.reference import ODD, OTHERS

    found: dict[str, dict[str, Any]] = {}
    for each in reports:
        if each.rows < LEAST_SAVED or each.confidence is None:
            continue
        found.setdefault(each.model, {})[str(each.version)] = {
            "rows": each.rows,
            "labels": {
                group.name: group.rows
                for group in each.groups
                if group.name not in (ODD, OTHERS)
            },
            "confidence": round(each.confidence, 6),
        }
    if not found:
        raise click.ClickException(
            f"--save: expected a version with labels and {LEAST_SAVED} predictions or "
            "more, received none"
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(found, indent=2) + "\n")
    draft.replace(path)
