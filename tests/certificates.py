"""Certificates of our own making, by openssl."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path

    def replace(self, other: "Pair") -> None:
        """Let the files say what those of `other` say, as an operator's tool does."""
        for mine, its in ((self.key, other.key), (self.certificate, other.certificate)):
            new = mine.with_suffix(".new")
            new.write_bytes(its.read_bytes())
            new.rename(mine)


class Authority:
    """Signs certificates, each for its own key.

    Args:
        folder: Where files go.
        name: Its own.
    """

    def __init__(self, folder: Path, name: str = "ca"):
        self._folder, self._name = folder, name
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl(
            "req", "-x509", *_new_key(self._key), "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-out", self.certificate,
        )  # fmt: skip

    def sign(self, name: str) -> Pair:
        """A certificate for this machine's loopback, of server and client alike."""
        stem = f"{self._name}-{name}"
        found = Pair(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        _openssl(
            "req", "-x509", *_new_key(found.key), "-subj", f"/CN={name}",
            "-CA", self.certificate, "-CAkey", self._key,
            "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-addext", "basicConstraints=critical,CA:FALSE", "-out", found.certificate,
        )  # fmt: skip
        return found

    def trusted(self, shown: Pair | None = None) -> ssl.SSLContext:
        """What a client needs that trusts this authority, and shows a certificate."""
        context = ssl.create_default_context(cafile=self.certificate)
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context


def _new_key(path: Path) -> tuple[str | Path, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    return (*curve, "-nodes", "-days", "2", "-keyout", path)


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
