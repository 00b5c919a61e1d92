"""What we use of other packages that they do not promise, and where to look then.

Each of these packages has an upper bound in pyproject.toml.
"""

import tomllib
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from PIL.JpegImagePlugin import JpegImageFile
from prometheus_client import CollectorRegistry, values
from prometheus_client.metrics import MetricWrapperBase
from tensorflow.compat.v1 import Session
from tensorflow.python.framework import convert_to_constants

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def histogram() -> Any:
    return prometheus_client.Histogram(
        "h", "A histogram.", registry=CollectorRegistry()
    )


@pytest.mark.parametrize(
    ("owner", "name", "where"),
    [
        (histogram(), "_upper_bounds", "Histogram.observe_all in service/metrics.py"),
        (histogram(), "_buckets", "Histogram.observe_all in service/metrics.py"),
        (histogram(), "_sum", "Histogram.observe_all in service/metrics.py"),
        (values, "ValueClass", "share_metrics in service/metrics.py"),
        (MetricWrapperBase, "_metric_init", "service/processes/samples.py"),
        (JpegImageFile, "_read_dpi_from_exif", "service/web/imaging/files.py"),
        (Session, "_make_callable_from_options", "tensorflow_runtime._open_session"),
        (convert_to_constants, "_FunctionConverterDataInEager", "tensorflow_graph"),
        (convert_to_constants, "_replace_variables_by_constants", "tensorflow_graph"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_private_name_is_still_there(owner: Any, name: str, where: str) -> None:
    assert hasattr(owner, name), f"{name} is gone: see {where}, which uses it"


@pytest.mark.parametrize(
    "package", ["pillow", "prometheus-client", "tensorflow", "uvicorn"]
)
def test_a_package_with_private_names_has_an_upper_bound(package: str) -> None:
    listed = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    (bounds,) = [each for each in listed if each.startswith(package + ">")]
    assert ",<" in bounds
