"""What a trusted proxy says of a request: its caller, its scheme, its prefix."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

ANYBODY = "*"
PREFIX_BITS = 64  # of an IPv6 address: what a subscriber gets at least
MOST_REMEMBERED = 4096


class TrustedProxies:
    """The addresses whose `X-Forwarded-…` headers are believed.

    Args:
        allowed: Addresses and networks with commas between, or `*`.

    Raises:
        ValueError: One of them is neither.
    """

    def __init__(self, allowed: str):
        names = [name.strip() for name in allowed.split(",") if name.strip()]
        self._all = ANYBODY in names
        self._networks = [ip_network(name) for name in names if name != ANYBODY]

    def __contains__(self, address: object) -> bool:
        if self._all:
            return True
        if not self._networks:
            return False
        try:
            found = ip_address(str(address))
        except ValueError:
            return False
        parsed = getattr(found, "ipv4_mapped", None) or found  # listening on ::
        return any(parsed in network for network in self._networks)

    def prefix(self, headers: Mapping[bytes, bytes]) -> str:
        """Below which path a proxy says that the service is; empty if it does not."""
        prefix = _last(headers.get(b"x-forwarded-prefix", b"")).rstrip("/")
        return prefix if prefix[:1] == "/" and prefix[:2] != "//" else ""

    def apply(self, scope: dict[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Change `scope` to what the proxy in front says of the caller."""
        scheme = _last(headers.get(b"x-forwarded-proto", b""))
        if scheme in {"http", "https"}:
            scope["scheme"] = scheme
        caller = self.caller(headers)
        if caller:
            scope["client"] = (caller, 0)

    def caller(self, headers: Mapping[bytes, bytes]) -> str:
        """The address of the caller, as a proxy says it; empty if it does not.

        Of the addresses in `X-Forwarded-For` the last that is no trusted proxy is the
        caller; what stands before it anybody may have written.
        """
        callers = str(headers.get(b"x-forwarded-for", b""), "latin-1").split(",")
        for caller in reversed([each.strip() for each in callers]):
            if caller and (self._all or caller not in self):
                return caller
        return ""


@lru_cache(MOST_REMEMBERED)
def network_of(address: str) -> str:
    """Whom an address stands for: itself, or of IPv6 the network of one caller."""
    if ":" not in address:
        return address[:64]
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or ip_network((found, PREFIX_BITS), strict=False))


def strip_prefix(path: str, prefix: str) -> str:
    """The path below the prefix, if it is below it: a proxy may have taken it off."""
    if prefix and path.startswith(f"{prefix}/"):
        return path[len(prefix) :]
    return path


def _last(value: bytes) -> str:
    return str(value, "latin-1").rpartition(",")[2].strip()
