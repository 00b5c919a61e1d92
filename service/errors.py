"""Every error that a caller can meet, with its HTTP status and its code.

    ServeryError                     500  internal
    ├── InvalidInput                 422  invalid_input
    │   ├── InvalidImage             422  invalid_image
    │   ├── ImageTooLarge            413  image_too_large
    │   ├── InvalidAudio             422  invalid_audio
    │   ├── AudioTooLarge            413  audio_too_large
    │   ├── UnknownSymbol            400  unknown_symbol
    │   ├── MalformedBody            400  malformed_body
    │   ├── BodyTooLarge             413  body_too_large
    │   ├── TooManyRows              413  too_many_rows
    │   └── UnsupportedMediaType     415  unsupported_media_type
    ├── ProtocolError                400  protocol_error
    │   ├── RequestTimeout           408  request_timeout
    │   ├── UrlTooLong               414  url_too_long
    │   ├── ExpectationFailed        417  expectation_failed
    │   ├── HeadTooLarge             431  head_too_large
    │   ├── MethodUnknown            501  method_unknown
    │   ├── TransferCodingUnknown    501  transfer_coding_unknown
    │   └── HttpVersionUnknown       505  http_version_unknown
    ├── Unauthenticated              401  unauthenticated
    ├── Forbidden                    403  forbidden
    ├── NotFound                     404  not_found
    │   ├── ModelNotFound            404  model_not_found
    │   ├── VersionNotFound          404  version_not_found
    │   ├── LabelNotFound            404  label_not_found
    │   └── SignatureNotFound        404  signature_not_found
    ├── MethodNotAllowed             405  method_not_allowed
    ├── NotAcceptable                406  not_acceptable
    ├── RateExceeded                 429  rate_exceeded
    ├── NotSupported                 501  not_supported
    ├── Unavailable                  503  unavailable
    │   ├── QueueFull                503  queue_full
    │   ├── ModelNotReady            503  model_not_ready
    │   ├── TooManyConnections       503  too_many_connections
    │   ├── EngineGone               503  engine_gone
    │   └── ShuttingDown             503  shutting_down
    ├── DeadlineExceeded             504  deadline_exceeded
    └── ModelFailed                  500  model_failed

A message says what was wrong, what was expected and what was received. It goes to the
caller as it stands, so it never carries internals: those belong in the log.
"""

from typing import Any, ClassVar

MOST_CHARACTERS = 2000  # of a message, whatever of the caller's is in it


class ServeryError(Exception):
    """The root.

    Attributes:
        message: For the caller.
        details: JSON-ready; names the fields that were wrong.
        headers: What HTTP wants said beside it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, details: list[dict[str, Any]] | None = None):
        message = message[:MOST_CHARACTERS]
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers: dict[str, str] = {}


class InvalidInput(ServeryError):
    """The request was understood and its content is wrong."""

    status = 422
    code = "invalid_input"


class InvalidImage(InvalidInput):
    """The bytes are no image that we can read, or an image with nothing in it."""

    code = "invalid_image"


class ImageTooLarge(InvalidInput):
    """The image has more pixels than the service will decode."""

    status = 413
    code = "image_too_large"


class InvalidAudio(InvalidInput):
    """The bytes are no sound that we can read, or an empty one."""

    code = "invalid_audio"


class AudioTooLarge(InvalidInput):
    """The sound is longer than the service will decode."""

    status = 413
    code = "audio_too_large"


class UnknownSymbol(InvalidInput):
    """A prompt has a character that the model does not know."""

    status = 400
    code = "unknown_symbol"


class MalformedBody(InvalidInput):
    """The body does not parse as what its content type says."""

    status = 400
    code = "malformed_body"


class BodyTooLarge(InvalidInput):
    """The body is, or is announced to be, over the limit in bytes."""

    status = 413
    code = "body_too_large"


class TooManyRows(InvalidInput):
    """One request carries more rows than the service takes at once."""

    status = 413
    code = "too_many_rows"


class UnsupportedMediaType(InvalidInput):
    """The content type is none of those that this endpoint reads."""

    status = 415
    code = "unsupported_media_type"


class ProtocolError(ServeryError):
    """The bytes are no request in HTTP/1.1, or one that HTTP's own rules forbid."""

    status = 400
    code = "protocol_error"


class RequestTimeout(ProtocolError):
    """The request did not come to its end in time: answered, and closed."""

    status = 408
    code = "request_timeout"


class UrlTooLong(ProtocolError):
    """The request's target is over the limit in bytes."""

    status = 414
    code = "url_too_long"


class ExpectationFailed(ProtocolError):
    """`Expect` asks for something other than `100-continue`."""

    status = 417
    code = "expectation_failed"


class HeadTooLarge(ProtocolError):
    """Headers, a chunk's extensions or trailers are over a limit."""

    status = 431
    code = "head_too_large"


class MethodUnknown(ProtocolError):
    """A method that HTTP's registry does not have, or not yet."""

    status = 501
    code = "method_unknown"


class TransferCodingUnknown(ProtocolError):
    """`Transfer-Encoding` is something other than `chunked` alone."""

    status = 501
    code = "transfer_coding_unknown"


class HttpVersionUnknown(ProtocolError):
    """HTTP/1.0 and HTTP/1.1 are spoken, nothing else."""

    status = 505
    code = "http_version_unknown"


class Unauthenticated(ServeryError):
    """A token or an API key is asked for, and none or a wrong one was sent."""

    status = 401
    code = "unauthenticated"

    def __init__(self, message: str):
        super().__init__(message)
        self.headers = {"www-authenticate": "Bearer"}


class Forbidden(ServeryError):
    """Nobody may do this here, or not whoever asks."""

    status = 403
    code = "forbidden"


class NotFound(ServeryError):
    """There is nothing at this address."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """No model of this name is known."""

    code = "model_not_found"


class VersionNotFound(NotFound):
    """The model is known, this version of it is not."""

    code = "version_not_found"


class LabelNotFound(NotFound):
    """The model is known, this label of it is not, or has no version yet."""

    code = "label_not_found"


class SignatureNotFound(NotFound):
    """The version is known, this signature of it is not."""

    code = "signature_not_found"


class MethodNotAllowed(ServeryError):
    """The address is right, the method is not: answered with `Allow`."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: str):
        super().__init__(message)
        self.headers = {"allow": allowed}


class NotAcceptable(ServeryError):
    """The caller accepts none of the kinds of answer that this endpoint gives."""

    status = 406
    code = "not_acceptable"


class RateExceeded(ServeryError):
    """This caller may have no more now: answered with `Retry-After`.

    Args:
        message: Of what.
        retry_after_s: Whole seconds after which it may.
    """

    status = 429
    code = "rate_exceeded"

    def __init__(self, message: str, *, retry_after_s: int):
        super().__init__(message)
        self.headers = {"retry-after": str(retry_after_s)}


class NotSupported(ServeryError):
    """The protocol may know of it; we do not."""

    status = 501
    code = "not_supported"


class Unavailable(ServeryError):
    """Not now, perhaps soon: answered with `Retry-After`.

    Args:
        message: What stands in the way.
        retry_after_s: Whole seconds after which a new try makes sense.
    """

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 1):
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.headers = {"retry-after": str(retry_after_s)}


class QueueFull(Unavailable):
    """As many rows wait for this model as its queue may hold."""

    code = "queue_full"


class ModelNotReady(Unavailable):
    """The model is known and still loading, or has failed to load."""

    code = "model_not_ready"


class TooManyConnections(Unavailable):
    """As many connections are open as may be, in all or from this address."""

    code = "too_many_connections"


class EngineGone(Unavailable):
    """The engine process is not there; a new one is on its way."""

    code = "engine_gone"


class ShuttingDown(Unavailable):
    """The service is draining and takes nothing new."""

    code = "shutting_down"


class DeadlineExceeded(ServeryError):
    """The request's time was up before its answer was ready."""

    status = 504
    code = "deadline_exceeded"


class ModelFailed(ServeryError):
    """The model raised, or its process died, while computing this request's batch."""

    code = "model_failed"


def forget_frames(error: BaseException) -> None:
    """Let go of the calls that an error came through, once it is answered.

    They hold the request, and by its future or its task the error itself: a cycle that
    would keep the body in memory until the collector comes round.
    """
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__context__


def by_code(code: str) -> type[ServeryError]:
    """The class with this code; `ServeryError` where the code is unknown."""
    pending = [ServeryError]
    while pending:
        candidate = pending.pop()
        if candidate.code == code:
            return candidate
        pending.extend(candidate.__subclasses__())
    return ServeryError
