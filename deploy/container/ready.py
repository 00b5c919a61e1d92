"""The image's health check: ends with 0 if the service is ready, else with 1.

It imports next to nothing, since it runs every few seconds as long as the service does.
"""

import http.client
import os
import sys

TIMEOUT_S = 2.0


def is_ready(port: int) -> bool:
    """Whether `/readyz` on this host answers 200, within `TIMEOUT_S`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ.get("SERVERY_PORT", "8000"))))
