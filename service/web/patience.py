"""Awaits an answer for as long as its caller does: a hang-up takes the rows back."""

import asyncio
from typing import Any

from starlette.requests import Request

from service.engine.batcher import Answer
from service.web.exchange import ClientDisconnectedError

PATIENCE_S = 0.05  # an answer that takes longer is worth watching for a hang-up


async def attend(request: Request, future: asyncio.Future[Answer]) -> Answer:
    """Await the answer, and the caller's hang-up if it takes long.

    Args:
        request: Its body has been read.
        future: Cancelled if nobody waits for it any more.

    Raises:
        ServeryError: What the engine answers with; see `Engine.submit`.
        ClientDisconnectedError: The caller has hung up.
    """
    hang_up: asyncio.Future[Any] | None = None

    def watch() -> None:
        """Cancel `future` when the caller hangs up: all that can still be received."""
        nonlocal hang_up
        hang_up = asyncio.ensure_future(request.receive())
        hang_up.add_done_callback(lambda _: future.cancel())

    timer = asyncio.get_running_loop().call_later(PATIENCE_S, watch)
    try:
        return await future
    except asyncio.CancelledError:
        if hang_up is not None and hang_up.done():
            raise ClientDisconnectedError from None
        raise
    finally:
        timer.cancel()
        future.cancel()
        if hang_up is not None:
            hang_up.cancel()
