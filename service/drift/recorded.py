"""What was recorded, beside the references of the versions on this disk."""

from datetime import datetime
from pathlib import Path

import click

from service.contract.contract import Contract
from service.contract.reference import Reference
from service.contract.version import read_version
from service.drift.inputs import compare_inputs
from service.drift.records import read_records
from service.drift.reference import find_reference
from service.drift.report import Report, compare
from service.engine.disk import find_folder
from service.settings import Settings


def report_folder(
    folder: Path, artifacts: Path, model: str | None, since: datetime | None
) -> list[Report]:
    """A report on each version of which something was recorded.

    Args:
        folder: Of the records.
        artifacts: Where the versions are, as far as they still are.
        model: The only one that is looked at.
        since: When the first row was that counts.

    Raises:
        ClickException: The folder cannot be read.
    """
    try:
        found, unreadable = read_records(folder, model, since)
    except OSError as error:
        reason = f"{folder} cannot be read: {error.strerror}"
        raise click.ClickException(reason) from error
    reports = []
    for (name, version), recorded in sorted(found.items()):
        home = find_folder(artifacts, name, version)
        contract, reference = _know(home, name, version)
        columns = compare_inputs(home, contract, recorded) if contract else ()
        reports.append(
            compare(
                *(name, version, reference, recorded.counts, recorded.confidence),
                since=recorded.since,
                until=recorded.until,
                columns=tuple(columns),
                unreadable=unreadable.get(name, 0),
            )
        )
    return reports


def _know(
    home: Path, name: str, version: int
) -> tuple[Contract | None, Reference | None]:
    try:
        known = read_version(home, name, version, verify=False)
    except (OSError, ValueError):
        source = "the version is not among the artifacts, or cannot be read"
        return None, Reference(groups=(), source=source)
    given = Settings().drift_reference
    reference = find_reference(home, known.contract, known.manifest, given)
    return known.contract, reference
