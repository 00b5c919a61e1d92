"""What all tests share."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("servery", deadline=None)  # no test asserts a time
settings.load_profile("servery")


@pytest.fixture(scope="session")
def tiny_sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The version of a small sentiment model, trained once for all who read it."""
    from tests.training.models.tiny_sentiment import export_tiny

    return export_tiny(tmp_path_factory.mktemp("artifacts"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Set TensorFlow's threads, which can be done only before it first computes."""
    if "tensorflow" in sys.modules:
        from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

        TensorFlowRuntime("cpu", 1)
