"""Server-sent events of a text that is being written, to pieces of it."""

from collections.abc import Iterator

import orjson

from servery.client.answers import TextPiece
from servery.errors import ServerFailed, by_status

EVENTS = {"accept": "text/event-stream"}
STATUSES = {"deadline_exceeded": 504, "model_failed": 500, "internal": 500}


class Pieces:
    """Reads events line by line.

    Attributes:
        is_whole: Whether the last one has come.
    """

    def __init__(self) -> None:
        self._kind = ""
        self.is_whole = False

    def feed(self, line: str) -> Iterator[TextPiece]:
        """The piece that a line is, if it is one.

        Raises:
            ServeryError: What was begun has failed.
        """
        name, _, value = line.partition(": ")
        if not name:
            self._kind = ""
        elif name == "event":
            self._kind = value
            self.is_whole |= value == "end"
        elif name == "data" and self._kind in ("", "finish"):
            yield TextPiece(**orjson.loads(value))
        elif name == "data" and self._kind == "error":
            told = orjson.loads(value)
            status = STATUSES.get(told["code"], 503)
            raise by_status(status)(
                told["error"],
                status=status,
                code=told["code"],
                request_id=told["request_id"],
            )

    def check_whole(self) -> None:
        """See whether all has come.

        Raises:
            ServerFailed: The connection ended before.
        """
        if not self.is_whole:
            raise ServerFailed("expected the rest of the text, the connection ended")
