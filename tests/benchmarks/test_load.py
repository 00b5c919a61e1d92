import pytest

from benchmarks.load import LoadError, parse_load

PRINTED = """Running 2s test @ http://127.0.0.1:8000/v1/predict/digits
  1 threads and 32 connections
  5712 requests in 2.00s, 1.54MB read
Requests/sec:   2856.00
{"requests": 5712, "seconds": 2.000000, "p50_ms": 10.900, "p99_ms": \
17.300, "errors": {"connect": 0, "read": 0, "write": 0, "timeout": 1, "status": 12}}
"""


def test_figures_are_read_from_the_last_line() -> None:
    load = parse_load(PRINTED, client_cpu_s=0.25)

    assert (load.requests, load.seconds) == (5712, 2.0)
    assert (load.p50_ms, load.p99_ms) == (10.9, 17.3)
    assert load.client_cpu_s == 0.25


def test_only_errors_that_happened_are_kept() -> None:
    assert parse_load(PRINTED, client_cpu_s=0).errors == {"timeout": 1, "status": 12}


@pytest.mark.parametrize(
    "printed",
    [
        pytest.param("", id="nothing"),
        pytest.param("Requests/sec: 3\n", id="no figures"),
        pytest.param(PRINTED.replace("5712,", "0,"), id="no answers"),
    ],
)
def test_a_load_without_answers_is_an_error(printed: str) -> None:
    with pytest.raises(LoadError):
        parse_load(printed, client_cpu_s=0)
