"""Administration: load and unload versions, move labels. Closed without a token.

Every protocol that has such calls uses `carry_out`, so each asks for the same token.
"""

import asyncio
import hmac
from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer

from service.engine.commands import Command, Outcome
from service.errors import Forbidden, Unauthenticated
from service.web.api.schemas import TIMEOUT_PARAMETER, Version, error_responses
from service.web.http.limits import read_timeout_ms
from service.web.http.record import RequestRecord
from service.web.state import ADMIN, AppState

CLOSED = (
    "Administration is closed: expected SERVERY_ADMIN_TOKEN to be set where the "
    "service is started."
)
TOKEN = HTTPBearer(auto_error=False, description="The value of SERVERY_ADMIN_TOKEN.")

router = APIRouter(
    prefix=ADMIN,
    tags=["administration"],
    dependencies=[Security(TOKEN)],
    responses=error_responses(401, 403, 404, 504),
)
TIMEOUT = {"parameters": [TIMEOUT_PARAMETER]}
NewVersion = Annotated[int, *Version.__metadata__]


def authorize(state: AppState, authorization: str | None) -> None:
    """See whether whoever sends this header, or metadata of gRPC, may administrate.

    Raises:
        Forbidden: Nobody may.
        Unauthenticated: It is not `Bearer` and the token.
    """
    token = state.settings.admin_token
    if token is None or not token.get_secret_value():
        raise Forbidden(CLOSED)
    kind, _, sent = (authorization or "").partition(" ")
    expected = token.get_secret_value().encode()
    same = hmac.compare_digest(sent.strip().encode("latin-1", "replace"), expected)
    if kind.lower() != "bearer" or not same:
        received = "another token" if sent else "none"
        raise Unauthenticated(
            "Authorization: expected Bearer and the value of SERVERY_ADMIN_TOKEN, "
            f"received {received}."
        )


async def carry_out(
    state: AppState, authorization: str | None, command: Command, deadline: float
) -> Outcome:
    """Have the engine do what an operator says.

    Args:
        state: The process's.
        authorization: What was sent as `Authorization`.
        command: What to do.
        deadline: `time.monotonic()` at which nobody waits any more.

    Raises:
        Forbidden, Unauthenticated: See `authorize`.
        ServeryError: See `Administration.carry_out`.
    """
    authorize(state, authorization)
    return await state.engine.command(command, deadline)


async def administrate(request: Request, command: Command) -> Outcome:
    """Have the engine do what a request says, within the time that it gives.

    Raises:
        InvalidInput: Its X-Request-Timeout-Ms is none.
        Forbidden, Unauthenticated, ServeryError: See `carry_out`.
    """
    state: AppState = request.scope["servery"]
    record: RequestRecord = request.scope["record"]
    most_ms = state.settings.max_timeout_ms
    timeout_ms = read_timeout_ms(record.headers, most_ms) or most_ms
    deadline = record.started + timeout_ms / 1000
    authorization = request.headers.get("authorization")
    work = carry_out(state, authorization, command, deadline)
    outcome: Outcome = await record.wait_for(asyncio.ensure_future(work))
    return outcome


@router.post("/models/{name}/load", openapi_extra=TIMEOUT)
async def load(request: Request, name: str, version: Version = None) -> Outcome:
    """Load a version, or all of a model that its policy asks for, and try what failed.

    Answers when it is ready. A version that the policy does not ask for stays in memory
    until it is unloaded, or the service starts anew.
    """
    return await administrate(
        request, Command(action="load", model=name, version=version)
    )


@router.post("/models/{name}/unload", openapi_extra=TIMEOUT)
async def unload(request: Request, name: str, version: Version = None) -> Outcome:
    """Unload a version, or all of a model, until a load or the service's next start.

    What it is computing, and what waits in it, is finished.
    """
    return await administrate(
        request, Command(action="unload", model=name, version=version)
    )


@router.put("/models/{name}/labels/{label}", openapi_extra=TIMEOUT)
async def move_label(
    request: Request, name: str, label: str, version: NewVersion
) -> Outcome:
    """Move a label to a version, which is loaded if need be; `stable` is the default's.

    Answers when it has moved. Holds until the service starts anew, or models.toml says
    something else of the label.
    """
    command = Command(action="label", model=name, label=label, version=version)
    return await administrate(request, command)


@router.delete("/models/{name}/labels/{label}", openapi_extra=TIMEOUT)
async def remove_label(request: Request, name: str, label: str) -> Outcome:
    """Remove a label; without `stable`, the newest version answers."""
    return await administrate(request, Command(action="label", model=name, label=label))


@router.post("/models/{name}/rollback", openapi_extra=TIMEOUT)
async def roll_back(request: Request, name: str) -> Outcome:
    """Move the label `stable` to the newest version below the one that answers now."""
    return await administrate(request, Command(action="rollback", model=name))


@router.post("/reload", openapi_extra=TIMEOUT)
async def reload(request: Request) -> Outcome:
    """Read models.toml, and look at the models, now."""
    return await administrate(request, Command(action="reload"))
