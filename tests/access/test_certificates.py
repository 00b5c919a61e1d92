"""What the service takes for a certificate, what it refuses, and how it changes."""

import os
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.access.certificates import Certificates, CertificatesError, read_identity
from service.metrics import Metrics
from service.settings import Settings
from tests.certificates import Authority, Pair


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(ca: Authority) -> Pair:
    return ca.sign("servery")


def named(pair: Pair, **others: Any) -> Settings:
    return Settings(tls_certificate=pair.certificate, tls_key=pair.key, **others)


def refused(settings: Settings, *parts: str) -> None:
    with pytest.raises(CertificatesError) as caught:
        read_identity(settings)
    for part in parts:
        assert part in str(caught.value)


def test_a_pair_is_taken_and_asks_callers_for_nothing(pair: Pair) -> None:
    identity = read_identity(named(pair))
    assert identity.context.verify_mode is ssl.CERT_NONE
    assert "PRIVATE" not in repr(identity)


def test_one_file_may_hold_both(pair: Pair) -> None:
    pair.certificate.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    read_identity(named(Pair(pair.certificate, pair.certificate)))


def test_who_signs_callers_is_asked_for(pair: Pair, ca: Authority) -> None:
    identity = read_identity(named(pair, tls_client_ca=ca.certificate))
    assert identity.context.verify_mode is ssl.CERT_REQUIRED


def test_certificate_and_key_go_together(pair: Pair, ca: Authority) -> None:
    refused(Settings(tls_certificate=pair.certificate), "SERVERY_TLS_KEY", "none")
    refused(Settings(tls_key=pair.key), "SERVERY_TLS_CERTIFICATE", "none")
    refused(Settings(tls_client_ca=ca.certificate), "SERVERY_TLS_CERTIFICATE", "none")


def test_files_that_are_missing_are_named(pair: Pair, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    refused(named(Pair(gone, pair.key)), "SERVERY_TLS_CERTIFICATE", str(gone))
    refused(named(Pair(pair.certificate, gone)), "SERVERY_TLS_KEY", str(gone))
    refused(named(pair, tls_client_ca=gone), "SERVERY_TLS_CLIENT_CA", str(gone))


def test_a_key_of_another_certificate_is_refused(pair: Pair, ca: Authority) -> None:
    other = ca.sign("other")
    refused(named(Pair(pair.certificate, other.key)), "that of another one")


@pytest.mark.parametrize("which", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_what_is_not_pem_is_refused(pair: Pair, which: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"\x30\x82\x01\x0a")  # as DER begins
    files: dict[str, Any] = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    settings = Settings(**{**files, which: wrong})
    refused(settings, f"SERVERY_{which.upper()}", "in PEM")


def test_a_certificate_that_is_cut_off_is_refused(pair: Pair) -> None:
    pair.certificate.write_bytes(pair.certificate.read_bytes()[:200])
    refused(named(pair), "expected the key of the certificate")


def test_a_passphrase_is_not_asked_for(pair: Pair) -> None:
    words = ["openssl", "pkey", "-in", str(pair.key)]
    words += ["-aes256", "-passout", "pass:secret"]
    locked = subprocess.run(words, check=True, capture_output=True).stdout
    pair.key.write_bytes(locked)
    refused(named(pair), "passphrase")


def test_a_broken_pair_leaves_the_last_good_one_in_force(
    pair: Pair, ca: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()

    def is_broken() -> bool:
        return registry.get_sample_value("servery_certificates_broken") == 1

    certificates = Certificates(named(pair), Metrics(registry))
    first, other = certificates.identity, ca.sign("other")
    pair.certificate.write_bytes(other.certificate.read_bytes())  # half of the exchange
    for _ in range(2):
        certificates.look()
        assert certificates.identity is first
    assert is_broken()
    assert len(caplog.records) == 1
    pair.key.write_bytes(other.key.read_bytes())
    certificates.look()
    assert certificates.identity.chain == other.certificate.read_bytes()
    assert not is_broken()
    second = certificates.identity
    certificates.look()
    assert certificates.identity is second


def test_a_process_that_starts_with_broken_files_gets_the_last_good_ones(
    pair: Pair, ca: Authority
) -> None:
    kept = os.memfd_create("kept")
    settings = named(pair, tls_client_ca=ca.certificate)
    good = Certificates(settings, Metrics(CollectorRegistry()), kept).identity
    pair.key.unlink()
    registry = CollectorRegistry()
    successor = Certificates(settings, Metrics(registry), kept)
    assert successor.identity == good
    assert registry.get_sample_value("servery_certificates_broken") == 1
    pair.key.write_bytes(good.key)
    successor.look()
    assert registry.get_sample_value("servery_certificates_broken") == 0
    os.close(kept)


def test_nothing_is_made_up_where_nothing_was_kept(pair: Pair) -> None:
    kept = os.memfd_create("kept")
    pair.key.unlink()
    with pytest.raises(CertificatesError):
        Certificates(named(pair), Metrics(CollectorRegistry()), kept)
    os.close(kept)


def test_who_signs_callers_may_change_too(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    old, new = (Authority(tmp_path / "others", name) for name in ("old", "new"))
    settings = named(pair, tls_client_ca=old.certificate)
    certificates = Certificates(settings, Metrics(CollectorRegistry()))
    old.certificate.write_bytes(new.certificate.read_bytes())
    certificates.look()
    assert certificates.identity.client_ca == new.certificate.read_bytes()
