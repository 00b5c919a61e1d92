"""The sockets that the supervisor holds, so that they outlive who accepts from them."""

import fcntl
import os
import secrets
import socket
import sys
import termios
from ipaddress import ip_address

BACKLOG = 2048


class AddressTakenError(RuntimeError):
    """Nothing can listen on this host and port."""


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that accepts on `host` and `port`.

    Raises:
        AddressTakenError: Another program has it, or it is none of this machine's.
    """
    return listen_together(host, port, 1)[0]


def listen_together(host: str, port: int, number: int) -> list[socket.socket]:
    """Sockets that share `host` and `port`; the kernel spreads connections over them.

    By address and port of the caller, so each gets about as many. A single socket from
    which several accept gives most of them to whoever is awake.

    Args:
        host: A name or an address; `::` takes IPv4 too.
        port: 0 takes one that is free.
        number: Of sockets.

    Raises:
        AddressTakenError: Another program has it, or it is none of this machine's.
    """
    listeners: list[socket.socket] = []
    try:
        if number > 1 and port:  # else we would share it with any program of our user
            _bind(host, port, shared=False).close()
        for _ in range(number):
            listeners.append(_bind(host, port, shared=number > 1))
            port = listeners[0].getsockname()[1]
    except (OSError, UnicodeError) as error:
        for listener in listeners:
            listener.close()
        reason = getattr(error, "strerror", None) or "no such host"
        raise AddressTakenError(
            f"cannot listen on {show_address(host, port)}: {reason}"
        ) from error
    return listeners


def show_address(host: str, port: int) -> str:
    """Host and port as in a URL: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only programs of this machine can connect to a TCP socket."""
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def listen_privately() -> tuple[socket.socket, str]:
    """A Unix socket for this machine only, and the name to connect to.

    The name is in Linux' abstract namespace: no file that can be deleted, no folder
    that can be missing, full or too long. It has no permissions either, so both sides
    look who is at the other end: `is_ours`.
    """
    name = f"@servery-{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(unix_address(name))
    listener.listen(BACKLOG)
    return listener, name


def unix_address(name: str) -> str:
    """What to connect to: a path, or with a leading `@` an abstract name."""
    return f"\0{name[1:]}" if name.startswith("@") else name


def is_ours(connection: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket is this user's."""
    size = 12  # struct ucred: process, user, group
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int.from_bytes(peer[4:8], "little") == os.geteuid()


def unread_bytes(connection: socket.socket) -> int:
    """How much has come that nobody has read."""
    size = fcntl.ioctl(connection, termios.FIONREAD, bytes(4))
    return int.from_bytes(size, sys.byteorder)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    family, *_, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(
        address,
        family=family,
        backlog=BACKLOG,
        reuse_port=shared,
        dualstack_ipv6=family == socket.AF_INET6 and address[0] == "::",
    )
