"""Keeps a port for gRPC servers of several processes, which all listen on it."""

import socket

from service.processes.sockets import AddressTakenError


def reserve(host: str, port: int) -> socket.socket | None:
    """A socket that holds `port` and takes no connections of it; none for port 0.

    Every process binds the port for itself, for gRPC cannot be handed a socket, and
    the kernel shares connections out. Bound here first, it is known before anything
    starts that the port is free, and no other user's program can join in.

    Raises:
        AddressTakenError: Another program has it, or it is none of this machine's.
    """
    if not port:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))  # alone: fails where another shares the port too
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise AddressTakenError(
            f"cannot listen on {host}:{port} for gRPC: {error.strerror}"
        ) from error
    return held
