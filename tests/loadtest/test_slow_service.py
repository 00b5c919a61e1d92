"""What is found of a service whose limit is known."""

import pytest
from click.testing import CliRunner

from loadtest.commands import cli
from loadtest.limit import LimitSearch
from loadtest.load import Load
from loadtest.objective import parse_objective
from tests.loadtest.slow import BURST, CAPACITY

pytestmark = pytest.mark.slow

PROBE_S, TOLERANCE, ERRORS = 3.0, 0.25, 0.1


def test_find_limit_finds_the_rate_that_a_service_can_do(slow_url: str) -> None:
    said: list[str] = []
    base = Load(slow_url, {"digits": 1.0}, ["digits"], 0)
    objective = parse_objective("errors<10%")

    search = LimitSearch(base, objective, PROBE_S, 1, said.append)
    found = search.run(20, 1000, TOLERANCE)

    # A burst is answered beyond the capacity, and a tenth may fail.
    most = (CAPACITY + BURST / PROBE_S) / (1 - ERRORS)
    assert found.limit.rate
    assert CAPACITY / (1 + TOLERANCE) <= found.limit.rate <= most * (1 + TOLERANCE)
    assert found.limit.failed
    assert len(said) == len(found.limit.probes)
    assert "fails errors<10%" in "".join(said)


def test_a_refusal_without_retry_after_is_told(slow_url: str) -> None:
    result = CliRunner().invoke(
        cli,
        [
            *("run", "--url", slow_url, "--rate", "150", "--duration", "2s"),
            *("--warmup", "500ms", "--assert", "errors<1%"),
        ],
    )

    assert result.exit_code == 1
    assert "× 503 full, no Retry-After" in result.output
    assert "The service gave no metrics." in result.output
