"""One Ray of this machine for all tests that need it; they are skipped without."""

import importlib.util
import os
from collections.abc import Iterator

import pytest

HAS_RAY = importlib.util.find_spec("ray") is not None
TRIES = 3  # Ray gives its own processes 30 seconds, whatever else the machine does
needs_ray = pytest.mark.skipif(
    not HAS_RAY, reason="ray is not installed: pip install servery[ray]"
)


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Two CPUs, no dashboard, on the loopback alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    import ray

    for left in reversed(range(TRIES)):
        try:
            ray.init(
                num_cpus=2,
                num_gpus=0,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                object_store_memory=200_000_000,
                log_to_driver=False,
            )
        except Exception:
            ray.shutdown()
            if not left:
                raise
        else:
            break
    yield
    ray.shutdown()
