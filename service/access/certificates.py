"""The certificate that the service shows, and whose certificates it asks for.

Its files are read again when they change. What is broken, or half exchanged, leaves
what was read before in force. Connections that stand are never touched.
"""

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from service.metrics import Metrics
from service.settings import Settings
from service.watched import WatchedFile

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 20  # of each file
CERTIFICATES = b"-----BEGIN CERTIFICATE-----", "certificates"
KEY = b"PRIVATE KEY-----", "a private key"


class CertificatesError(Exception):
    """The files cannot be taken as they are; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What one state of the files says.

    Attributes:
        chain: The certificate, and those between it and its root, in PEM.
        key: Its private key, likewise.
        client_ca: Who signs the certificates that callers must show; None: they need
            not show any.
        context: Of the three, for connections that we accept.
    """

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    context: ssl.SSLContext = field(compare=False)


class Certificates:
    """The identity that is in force.

    Args:
        settings: Name the files.
        metrics: Where it is told whether what lies there now is in force.
        kept: A file in memory in which the last good set is kept for processes that
            start while the files are broken; None: they cannot.

    Attributes:
        identity: For the next connection.

    Raises:
        CertificatesError: See `read_identity`.
    """

    def __init__(self, settings: Settings, metrics: Metrics, kept: int | None = None):
        self._settings, self._metrics, self._kept = settings, metrics, kept
        self._files = [WatchedFile(path) for path in _paths(settings).values() if path]
        self._problem = ""  # with them, as they lie there: read again until it is gone
        self._has_changed()  # from here on
        try:
            self._take(read_identity(settings))
        except CertificatesError as error:
            if kept is None or (found := _recall(kept)) is None:
                raise
            self.identity = found
            self._complain(str(error))

    def look(self) -> None:
        """Read the files if one has changed. May take as long as the disk does."""
        if not (self._has_changed() or self._problem):
            return
        try:
            found = read_identity(self._settings)
        except CertificatesError as error:
            self._complain(str(error))
            return
        is_new = found != self.identity
        if is_new or self._problem:
            self._take(found)
        if is_new:
            logger.info("another certificate is in force")

    def _take(self, identity: Identity) -> None:
        self.identity, self._problem = identity, ""
        self._metrics.certificates_broken.set(0)
        if self._kept is not None:
            _keep(self._kept, identity)

    def _complain(self, problem: str) -> None:
        self._metrics.certificates_broken.set(1)
        if problem != self._problem:
            logger.error("%s; the certificate that was read before holds", problem)
        self._problem = problem

    def _has_changed(self) -> bool:
        return [each.has_changed() for each in self._files].count(True) > 0


def read_identity(settings: Settings) -> Identity:
    """What the files say now.

    Raises:
        CertificatesError: One is missing, is not PEM, or they do not belong together.
    """
    paths = _paths(settings)
    for name in ("tls_certificate", "tls_key"):
        if paths[name] is None:
            raise CertificatesError(
                f"SERVERY_{name.upper()}: expected a file in PEM, received none; "
                "certificate and key go together"
            )
    contents = {name: _read(name, path) for name, path in paths.items() if path}
    chain, key = contents["tls_certificate"], contents["tls_key"]
    return _build(chain, key, contents.get("tls_client_ca"))


def _build(chain: bytes, key: bytes, client_ca: bytes | None) -> Identity:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, chain, key)
    if client_ca is not None:
        _ask_for_certificates(context, client_ca)
    return Identity(chain, key, client_ca, context)


def _keep(descriptor: int, identity: Identity) -> None:
    parts = [identity.chain, identity.key, identity.client_ca or b""]
    content = orjson.dumps([part.decode("latin-1") for part in parts])
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _recall(descriptor: int) -> Identity | None:
    """What was kept; None if nothing was, or it is being written."""
    try:
        parts = orjson.loads(os.pread(descriptor, 8 * MOST_BYTES, 0))
    except ValueError:
        return None
    chain, key, client_ca = (part.encode("latin-1") for part in parts)
    return _build(chain, key, client_ca or None)


def _paths(settings: Settings) -> dict[str, Path | None]:
    """The files, by the settings that name them."""
    return {
        "tls_certificate": settings.tls_certificate,
        "tls_key": settings.tls_key,
        "tls_client_ca": settings.tls_client_ca,
    }


def _read(name: str, path: Path) -> bytes:
    mark, what = KEY if name == "tls_key" else CERTIFICATES
    where = f"SERVERY_{name.upper()}: {path}"
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CertificatesError(f"{where} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise CertificatesError(f"{where}: expected at most {MOST_BYTES:,} bytes")
    if mark not in content:
        raise CertificatesError(f"{where}: expected {what} in PEM, received none")
    return content


def _load_pair(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """Take what was read, and not what may lie in the files by now."""
    try:
        with _in_memory(chain + b"\n" + key) as path:
            context.load_cert_chain(path, password=_know_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            reason = "that of another one"
        raise CertificatesError(
            f"SERVERY_TLS_KEY: expected the key of the certificate, received {reason}"
        ) from error


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The path of a file that is on no disk."""
    descriptor = os.memfd_create("servery-certificate")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _know_no_passphrase() -> str:
    raise ValueError("one with a passphrase, which there is nobody to ask for")


def _ask_for_certificates(context: ssl.SSLContext, client_ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise CertificatesError(
            "SERVERY_TLS_CLIENT_CA: expected certificates in PEM, received "
            f"{getattr(error, 'reason', None) or error}"
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
