"""What becomes of our errors in gRPC."""

import grpc

from service.errors import ServeryError

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""By HTTP's number, which each error has; whatever is missing here is our fault."""


def status_of(error: ServeryError) -> grpc.StatusCode:
    """The gRPC code of an error.

    Too many requests are UNAVAILABLE, as Triton's and TensorFlow Serving's full queues
    are: clients try again by themselves. RESOURCE_EXHAUSTED is what gRPC itself says of
    messages that are too long, and we of a caller who has used up a rate of its own.
    """
    return CODES.get(error.status, grpc.StatusCode.INTERNAL)
