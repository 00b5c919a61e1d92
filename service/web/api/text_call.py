"""Texts that are being written for one request, by whichever protocol it came."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from service.engine.texts.request import Reason, TextRequest, Written
from service.errors import TooManyRows
from service.web.http.record import RequestRecord

if TYPE_CHECKING:
    from service.web.state import AppState


class TextCall:
    """Has the engine write, and reads it. To be closed, also where it fails.

    Args:
        state: What all requests share.
        record: Of the request.
        model: The name of the model that writes.
        version: None means the default.
        request: What is to be written.
        deadline: `time.monotonic()` at which it is worth nothing.
        on_unread: Ends the connection of a caller who does not read a stream.

    Raises:
        TooManyRows: It would be longer than `max_text_characters`, all texts together.
        RateExceeded: Its characters, each a row, are more than the caller may have
            computed now.
    """

    def __init__(
        self,
        state: "AppState",
        record: RequestRecord,
        model: str,
        version: int | None,
        request: TextRequest,
        deadline: float,
        on_unread: Callable[[], object] | None = None,
    ):
        _check(request, state.settings.max_text_characters)
        self.request, self.record = request, record
        self._access = state.access
        rows = request.count * request.length
        state.access.take(record, rows)
        record.rows, record.version = rows, version
        record.decoded(time.monotonic() - record.started)
        self._stream = state.engine.write(
            *(model, version, request, deadline),
            request_id=record.name_in_engine,
            turn=record.turn,
        )
        if request.streams and on_unread is not None:
            self._stream.limit(state.settings.max_unread_characters, on_unread)

    async def wait(self) -> None:
        """Until there is something to read.

        Raises:
            ServeryError: It will not come.
            ClientDisconnectedError: Nobody waits for it any more.
        """
        try:
            await self.record.wait_for(self._stream.more())
        except BaseException:
            self.close()
            raise

    async def read(self) -> AsyncIterator[Sequence[Written]]:
        """What is written, as it comes.

        Raises:
            ServeryError, ClientDisconnectedError: See `wait`.
        """
        while True:
            written = self._stream.take()
            if written:
                yield written
            elif self._stream.summary is not None:
                return
            else:
                await self.wait()

    async def read_all(self) -> list[tuple[list[Written], Written]]:
        """Of each text its symbols, and its end.

        Raises:
            ServeryError, ClientDisconnectedError: See `wait`.
        """
        count = self.request.count
        symbols: list[list[Written]] = [[] for _ in range(count)]
        ends = [Written(index, 0, 0.0, Reason.LENGTH) for index in range(count)]
        async for written in self.read():
            for each in written:
                if each.reason is None:
                    symbols[each.text].append(each)
                else:
                    ends[each.text] = each
        self.close()
        return list(zip(symbols, ends, strict=True))

    def close(self) -> None:
        """Nobody reads it any more; of what was not written nothing is counted."""
        stream, record = self._stream, self.record
        stream.cancel()
        if stream.summary is not None and record.rows is not None:
            self._access.give_back(record, record.rows - stream.summary.rows)
            record.told(stream.summary)


def _check(request: TextRequest, most: int) -> None:
    if request.count * request.length > most:
        raise TooManyRows(
            f"count × length: expected at most {most:,} characters in all, received "
            f"{request.count} × {request.length:,}."
        )
