"""The image's health check: ends with 0 if the service is ready, else with 1.

It imports next to nothing, since it runs every few seconds as long as the service does.
"""

import http.client
import os
import sys

TIMEOUT_S = 2.0


def is_ready(port: int) -> bool:
    """Whether `/readyz` on this host answers 200, within `TIMEOUT_S`."""
    connection = _connect(port)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connect(port: int) -> http.client.HTTPConnection:
    """With TLS, whoever answers on this host is taken for the service.

    Where callers must show a certificate, this one shows the service's own.
    """
    host, certificate = "127.0.0.1", os.environ.get("SERVERY_TLS_CERTIFICATE")
    if not certificate:
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if os.environ.get("SERVERY_TLS_CLIENT_CA"):
        context.load_cert_chain(certificate, os.environ["SERVERY_TLS_KEY"])
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ.get("SERVERY_PORT", "8000"))))
