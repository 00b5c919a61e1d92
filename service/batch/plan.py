"""Everything about a run that is known before a model is loaded."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from fastapi import FastAPI

from service.batch.columns import prediction_schema
from service.batch.errors import BatchError
from service.batch.journal import Journal, read_journal
from service.batch.output import Output
from service.batch.scorer import Asked
from service.batch.sources import Source, fingerprint, hash_file, open_source
from service.batch.takes import Takes, takes_of
from service.contract.integrity import hash_files
from service.contract.manifest import FILENAME as MANIFEST
from service.contract.version import read_version
from service.engine.disk import find_folder, find_versions
from service.settings import Settings
from service.tasks.registry import TaskEndpoints
from service.web.api import routes

ROWS = 8192  # of a part, where nobody says how many


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for.

    Attributes:
        model: That scores.
        input: A file or a folder.
        output: A folder, or a file that ends with .csv.
        version: None: that of the run that is gone on with, or the newest.
        rows: Of a part; None: likewise, or `ROWS`.
        column: See `Asked`.
        top_k: See `Asked`.
    """

    model: str
    input: Path
    output: Path
    version: int | None = None
    rows: int | None = None
    column: str | None = None
    top_k: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        asked: What scores, and how.
        takes: What the model takes of a row.
        source: What is scored.
        output: Where the outcomes go.
        predicted: The columns of a prediction.
        journal: What is left in the output.
        begun: Whether an earlier run is gone on with.
    """

    asked: Asked
    takes: Takes
    source: Source
    output: Output
    predicted: pa.Schema
    journal: Journal
    begun: bool

    @property
    def schema(self) -> pa.Schema:
        """Of the output: what is copied, and what was predicted."""
        return pa.schema([*self.source.schema, *self.predicted.remove_metadata()])


def make_plan(wish: Wish, settings: Settings) -> Plan:
    """See what there is to do; nothing is loaded, and nothing written.

    Raises:
        BatchError: It cannot be done, or the output was begun with something else.
    """
    output = Output.at(wish.output)
    if output.folder.absolute().is_relative_to(wish.input.absolute()):
        raise BatchError(
            f"{wish.output}: expected an output outside of the input, or the next run "
            "would read it"
        )
    before = read_journal(output.folder)
    artifacts = settings.artifacts.absolute()
    version = wish.version or (before.version if before else None)
    version = _find_version(artifacts, wish.model, version)
    folder = find_folder(artifacts, wish.model, version)
    try:
        contract = read_version(folder, wish.model, version, verify=False).contract
        files = [*hash_files(folder).items()]
    except (OSError, ValueError) as error:
        raise BatchError(f"{wish.model} {version} cannot be read: {error}") from error
    if (folder / MANIFEST).is_file():
        files.append((MANIFEST, hash_file(folder / MANIFEST)))
    app = FastAPI()
    routes.mount(app)
    endpoint = app.state.shipped.get(wish.model) or TaskEndpoints().find(contract)
    takes = takes_of(wish.model, endpoint, wish.column)
    assert endpoint is not None  # it takes something  # noqa: S101
    rows = wish.rows or (before.rows_a_part if before else ROWS)
    source = open_source(wish.input, takes, rows, settings.max_body_bytes)
    journal = Journal(
        model=wish.model,
        version=version,
        files=fingerprint(files),
        kind=source.kind,
        input=source.fingerprint,
        rows=sum(part.rows for part in source.parts),
        parts=len(source.parts),
        rows_a_part=rows,
        column=wish.column,
        top_k=wish.top_k,
    )
    if before is not None:
        before.check(journal)
    return Plan(
        asked=Asked(artifacts, wish.model, version, wish.column, wish.top_k),
        takes=takes,
        source=source,
        output=output,
        predicted=prediction_schema(wish.model, endpoint, source.schema.names),
        journal=journal,
        begun=before is not None,
    )


def _find_version(artifacts: Path, name: str, wanted: int | None) -> int:
    versions = find_versions(artifacts)
    if name not in versions:
        known = ", ".join(versions) or "none"
        raise BatchError(f"No model is named {name!r}; there are: {known}.")
    if wanted is not None and wanted not in versions[name]:
        known = ", ".join(map(str, versions[name]))
        raise BatchError(f"{name} has no version {wanted}; there are: {known}.")
    return wanted or versions[name][-1]
