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

from service.metrics import Metrics
from service.settings import Settings
from service.watched import WatchedFile

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 20  # of each file
CERTIFICATE, KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


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

    Attributes:
        identity: For the next connection.

    Raises:
        CertificatesError: See `read_identity`.
    """

    def __init__(self, settings: Settings, metrics: Metrics):
        self._settings, self._metrics = settings, metrics
        self._files = [WatchedFile(path) for path in _paths(settings).values() if path]
        self._problem = ""  # with them, as they lie there: read again until it is gone
        self._has_changed()  # from here on
        self.identity = read_identity(settings)

    def look(self) -> None:
        """Read the files if one has changed. May take as long as the disk does."""
        if not (self._has_changed() or self._problem):
            return
        try:
            found = read_identity(self._settings)
        except CertificatesError as error:
            self._metrics.certificates_broken.set(1)
            if str(error) != self._problem:
                logger.error("%s; the certificate that was read before holds", error)
            self._problem = str(error)
            return
        self._problem = ""
        self._metrics.certificates_broken.set(0)
        if found != self.identity:
            self.identity = found
            logger.info("another certificate is in force")

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
    client_ca = contents.get("tls_client_ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, chain, key, paths)
    if client_ca is not None:
        _ask_for_certificates(context, client_ca, paths)
    return Identity(chain, key, client_ca, context)


def _paths(settings: Settings) -> dict[str, Path | None]:
    """The files, by the settings that name them."""
    return {
        "tls_certificate": settings.tls_certificate,
        "tls_key": settings.tls_key,
        "tls_client_ca": settings.tls_client_ca,
    }


def _read(name: str, path: Path) -> bytes:
    wanted, what = (KEY, "a private key") if name == "tls_key" else (
        CERTIFICATE, "certificates")  # fmt: skip
    where = f"SERVERY_{name.upper()}: {path}"
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CertificatesError(f"{where} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise CertificatesError(f"{where}: expected at most {MOST_BYTES:,} bytes")
    if wanted not in content:
        raise CertificatesError(f"{where}: expected {what} in PEM, received none")
    return content


def _load_pair(
    context: ssl.SSLContext, chain: bytes, key: bytes, paths: dict[str, Path | None]
) -> None:
    """Take what was read, and not what may lie in the files by now."""
    try:
        with _in_memory(chain + b"\n" + key) as path:
            context.load_cert_chain(path, password=_know_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            reason = "that of another one"
        raise CertificatesError(
            f"SERVERY_TLS_KEY: {paths['tls_key']}: expected the key of "
            f"{paths['tls_certificate']}, received {reason}"
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


def _ask_for_certificates(
    context: ssl.SSLContext, client_ca: bytes, paths: dict[str, Path | None]
) -> None:
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise CertificatesError(
            f"SERVERY_TLS_CLIENT_CA: {paths['tls_client_ca']}: expected certificates "
            f"in PEM, received {getattr(error, 'reason', None) or error}"
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
