"""What all tests share."""

import sys

import pytest
from hypothesis import settings

settings.register_profile("servery", deadline=None)  # no test asserts a time
settings.load_profile("servery")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Set TensorFlow's threads, which can be done only before it first computes."""
    if "tensorflow" in sys.modules:
        from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

        TensorFlowRuntime("cpu", 1)
