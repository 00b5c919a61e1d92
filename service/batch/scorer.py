"""Rows to predictions, by the way that a request goes once its body is parsed.

rows ─ checked ─▶ groups ─ read_all ─ engine ─ predict ─▶ an outcome for each row
          └─ InvalidInput          └─ halves, until it is known whose fault it is

Records of a Parquet file are read by columns first, in which case they need no check.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from starlette.requests import Request

from service.batch.bulk import Records, encode_records
from service.batch.errors import BatchError
from service.batch.sources import Stamp
from service.batch.takes import Takes
from service.contract.contract import Contract
from service.engine.in_process import Selection, running_engine
from service.errors import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    ServeryError,
    Unavailable,
)
from service.metrics import Metrics
from service.settings import Settings
from service.tasks.endpoint import Given, TaskEndpoint, Wanted
from service.tasks.tables import DeclaredTable, TableEndpoint
from service.web.api.model_call import ModelCall
from service.web.app import create_api
from service.web.http.body import validate
from service.web.http.record import RequestRecord
from service.web.http.wording import describe
from service.web.state import AppState

Outcome = dict[str, Any] | ServeryError

GROUPED = {
    "record": 1024,
    "text": 256,
    "file": 16,  # that decoders take in one job, and digits without any
}
"""Rows that are asked together."""

GROUPS = 8  # under way at once
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # in which an engine comes back
PATIENT = {
    "access_log": False,
    "grpc_port": 0,
    "admin_port": 0,
    "api_keys": None,
    "tls_certificate": None,
    "tls_key": None,
    "tls_client_ca": None,
    "http_processes": 1,
    "max_caller_share": 1.0,
    "max_decoded_bytes": 1 << 40,
    "max_in_flight": 1 << 16,
    "max_queue_rows": 1 << 20,
    "max_request_characters": 1 << 40,
    "max_request_pixels": 1 << 40,
    "max_request_rows": 1 << 16,
    "max_request_samples": 1 << 40,
    "max_timeout_ms": 3_600_000,
    "max_waiting_images": 1 << 16,
    "timeout_ms": 3_600_000,
    "tracing": False,
}
"""Settings that guard a service against its callers, of whom there is one here."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to score, and how.

    Attributes:
        artifacts: Folder of models.
        model: The name of one.
        version: Its version.
        column: Of the text or the file, where it has another name than usual.
        top_k: How many classes of each row; None: as many as the model says.
    """

    artifacts: Path
    model: str
    version: int
    column: str | None = None
    top_k: int | None = None


@asynccontextmanager
async def open_scorer(
    asked: Asked, takes: Takes, settings: Settings
) -> AsyncIterator["Scorer"]:
    """An engine with this one version, until it is not needed any more.

    Raises:
        BatchError: The version cannot be loaded.
    """
    selection = Selection(asked.artifacts)
    try:
        selection.add(asked.model, asked.version)
        limits = PATIENT | {"artifacts": selection.path, "versions_kept": 1}
        chosen = settings.model_copy(update=limits)
        metrics = Metrics(CollectorRegistry())
        async with running_engine(chosen, metrics) as engine:
            state = AppState(chosen, engine, metrics)
            try:
                create_api(state)  # for the endpoints of our own models
                await engine.start()
                yield Scorer(asked, takes, state)
            finally:
                state.close()
    finally:
        selection.close()


class Scorer:
    """One version, and the typed endpoint that reads for it and answers.

    Args:
        asked: What is to score, and how.
        takes: What the model takes of a row.
        state: With an engine that has started.

    Attributes:
        state: The same.
        endpoint: Of the model.
    """

    def __init__(self, asked: Asked, takes: Takes, state: AppState):
        self._asked, self._takes, self.state = asked, takes, state
        contract = self._contract()
        found = state.tasks.shipped.get(asked.model) or state.tasks.find(contract)
        assert isinstance(found, TaskEndpoint)  # it takes rows  # noqa: S101
        self.endpoint = found
        if takes.kind == "file":
            state.decoders.start()
        self._rows = GROUPED[takes.kind]
        self._places = asyncio.Semaphore(GROUPS)
        self._wanted = Wanted(asked.top_k)

    async def score(self, given: Sequence[Any]) -> list[Outcome]:
        """A prediction for each row, in their order; or what is wrong with it.

        Args:
            given: See `Chunk.given`.

        Raises:
            BatchError: The engine does not answer, and not because of a row.
        """
        starts = range(0, len(given), self._rows)
        groups = [given[start : start + self._rows] for start in starts]
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(self._score_group(each)) for each in groups]
        return [outcome for part in parts for outcome in part.result()]

    async def _score_group(self, given: Sequence[Any]) -> list[Outcome]:
        async with self._places:
            if isinstance(given, Records) and isinstance(self.endpoint, DeclaredTable):
                columns = encode_records(self.endpoint, given)
                if columns is not None:
                    # of an error it is told below whose row it is
                    with suppress(InvalidInput, ModelFailed):
                        return [*await self._ask_patiently(Given([columns]))]
            rows = await self._read(given)
            good = [each for each in rows if not isinstance(each, ServeryError)]
            answers = iter(await self._answer(good) if good else [])
            return [
                each if isinstance(each, ServeryError) else next(answers)
                for each in rows
            ]

    async def _read(self, given: Sequence[Any]) -> list[Any]:
        return (
            self.checked(given)
            if self._takes.kind != "file"
            else (await asyncio.to_thread(self.checked, given))
        )

    def checked(self, given: Sequence[Any]) -> list[Any]:
        """Rows as the endpoint's own request gives them; or what is wrong with them."""
        if self._takes.kind == "file":
            limit = self.state.settings.max_body_bytes
            return [_read_file(each, limit) for each in given]
        known = [each for each in given if not isinstance(each, ServeryError)]
        if isinstance(self.endpoint, TableEndpoint):
            known = list(self.endpoint.read_cells(known))
        checked = iter(self._check_all(known) if known else [])
        return [
            each if isinstance(each, ServeryError) else next(checked) for each in given
        ]

    def _check_all(self, rows: Sequence[Any]) -> Sequence[Any]:
        schema = self.endpoint.request
        try:
            found: Sequence[Any] = validate({schema.rows_field: rows}, schema).rows()
        except InvalidInput:
            return [self._check_one(row) for row in rows]
        return found

    def _check_one(self, row: Any) -> Any:
        schema = self.endpoint.request
        try:
            return schema.model_validate({schema.rows_field: [row]}).rows()[0]
        except ValidationError as error:
            return _shortened(describe(error.errors(include_url=False)), schema)

    async def _answer(self, rows: Sequence[Any]) -> list[Outcome]:
        try:
            return [*await self._ask_patiently(rows)]
        except (InvalidInput, ModelFailed) as error:
            if len(rows) == 1:
                return [error]
        half = len(rows) // 2
        return [*await self._answer(rows[:half]), *await self._answer(rows[half:])]

    async def _ask_patiently(self, rows: Sequence[Any] | Given) -> list[dict[str, Any]]:
        for pause_s in PAUSES_S:
            try:
                return await self._ask(rows)
            except (Unavailable, DeadlineExceeded):
                await asyncio.sleep(pause_s)
        try:
            return await self._ask(rows)
        except (Unavailable, DeadlineExceeded) as error:
            raise BatchError(
                f"{self._asked.model} {self._asked.version} does not answer: "
                f"{error.message}"
            ) from error

    async def _ask(self, rows: Sequence[Any] | Given) -> list[dict[str, Any]]:
        """As `TaskEndpoint.answer` does, without a body."""
        path, accounting = (
            self.endpoint.path(self._asked.model),
            self.state.accounting,
        )
        record = RequestRecord("POST", path, path, {})
        scope = {"type": "http", "servery": self.state, "record": record}
        accounting.enter(record)
        try:
            call = ModelCall(Request(scope), self._asked.model, self._asked.version)
            given = (
                rows
                if isinstance(rows, Given)
                else await self.endpoint.read_all(call, rows)
            )
            _, predictions = await self.endpoint.compute(call, given, self._wanted)
            record.status = 200
            return predictions
        finally:
            accounting.leave(record)

    def _contract(self) -> Contract:
        name, version = self._asked.model, self._asked.version
        catalog = self.state.engine.catalog
        try:
            status = catalog.find(name, version)
        except ServeryError as error:
            model = catalog.models.get(name)
            reasons = [each.reason for each in model.versions] if model else []
            why = "; ".join(filter(None, reasons)) or error.message
            raise BatchError(f"{name} {version} cannot be loaded: {why}") from error
        assert status.contract is not None  # ready versions have one  # noqa: S101
        return status.contract


def _read_file(given: Any, limit: int) -> Any:
    if isinstance(given, Stamp):
        given.check()
        size, read = given.size, given.path.read_bytes
    elif isinstance(given, bytes):
        size, read = len(given), lambda: given
    else:
        return given
    if size > limit:
        return InvalidInput(
            f"expected a file of at most {limit:,} bytes, received {size:,}"
        )
    try:
        return read()
    except OSError as error:
        return InvalidInput(f"expected a file that can be read: {error.strerror}")


def _shortened(error: InvalidInput, schema: Any) -> InvalidInput:
    """The same error, in which the row is not named: it stands beside it."""
    row = f"{schema.rows_field}.0"
    told = [
        f"{each['field'].removeprefix(row).removeprefix('.')}: {each['error']}"
        for each in error.details or []
    ]
    return InvalidInput("; ".join(told).removeprefix(": "))
