import pytest

from benchmarks.ceiling import Ceiling, find_bare, find_ceiling
from benchmarks.subjects import WITHOUT_MODEL
from tests.benchmarks.samples import results


def test_the_ceiling_is_all_cores_over_model_and_http() -> None:
    ceiling = Ceiling(cores=2, model_ms=0.25, http_ms=0.15, client_ms=0.1)

    assert ceiling.rate == pytest.approx(5000)
    assert ceiling.with_client == pytest.approx(4000)
    assert "2 / (0.250 ms + 0.150 ms) = 5,000 requests/s" in ceiling.describe()


def test_http_costs_what_it_cost_without_a_model() -> None:
    """Half a second of CPU for 5,000 requests, beside a tenth of wrk's."""
    ceiling = find_ceiling(results().turns, cores=2)

    assert ceiling is not None
    assert ceiling.model_ms == 0.25
    assert (ceiling.http_ms, ceiling.client_ms) == pytest.approx((0.1, 0.02))


def test_without_its_http_layer_there_is_no_ceiling() -> None:
    turns = [turn for turn in results().turns if turn.server != WITHOUT_MODEL]

    assert find_ceiling(turns, cores=2) is None


def test_each_bare_model_has_a_turn_of_its_own() -> None:
    found = find_bare(results().turns, "photo")

    assert found is not None
    assert [each.rows_s for each in found[1]] == [25.0]
    assert find_bare([], "photo") is None
