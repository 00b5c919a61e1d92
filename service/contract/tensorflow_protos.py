"""TensorFlow's protocol buffers without TensorFlow.

To import `tensorflow.core.protobuf.saved_model_pb2` imports all of TensorFlow first:
seconds and half a gigabyte, for message classes that need none of it. Here the package
is an empty one with TensorFlow's path while they are imported, and is forgotten
afterwards, so that a later `import tensorflow` is the real one.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

PACKAGE = "tensorflow"


@contextmanager
def _only_its_path() -> Iterator[None]:
    """Let `tensorflow` be a package of submodules alone, if it is not imported yet."""
    if PACKAGE in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(PACKAGE)  # finds it; runs nothing of it
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("TensorFlow is not installed: pip install tensorflow")
    package = ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[PACKAGE] = package
    try:
        yield
    finally:
        del sys.modules[PACKAGE]


@cache
def load_module(name: str) -> Any:
    """A module of message classes.

    Args:
        name: Its full name, `tensorflow.core.protobuf.saved_model_pb2`; or that of a
            module that imports such ones, `tensorflow_serving.apis.predict_pb2`.

    Raises:
        ImportError: The package that it belongs to is not installed.
    """
    with _only_its_path():
        return importlib.import_module(name)
