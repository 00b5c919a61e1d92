import pytest

from benchmarks.summary import Median, summarise, summarise_all
from tests.benchmarks.samples import results, sample


def test_figures_are_medians_with_their_spread() -> None:
    rounds = [sample(900, p50_ms=11), sample(300, p50_ms=40), sample(1000, p50_ms=10)]

    summary = summarise(rounds)

    assert summary.rate == Median(900, 300, 1000)
    assert summary.p50_ms == Median(11, 10, 40)


def test_cpu_is_that_of_all_rounds_over_all_requests() -> None:
    summary = summarise([sample(900), sample(100)])

    assert summary.cpu_ms == pytest.approx(1.0)  # twice half a second, 1,000 requests
    assert summary.client_cpu_ms == pytest.approx(0.2)


def test_a_refusal_is_an_error_and_no_answer() -> None:
    rounds = [sample(500, errors={"status": 200}), sample(300, errors={"timeout": 1})]

    summary = summarise(rounds)

    assert summary.rate.value == 300
    assert summary.errors == {"status": 200, "timeout": 1}


def test_mean_batch_is_unknown_where_the_server_does_not_tell() -> None:
    assert summarise([sample(1)]).mean_batch is None
    assert summarise([sample(1, batches=4), sample(1, batches=2)]).mean_batch == 8


def test_every_load_has_a_summary_of_its_own() -> None:
    found = summarise_all(results().samples)

    assert found["Servery", "digits", 32].rate.high == 3000
    assert found["Servery, photo", "photo", 8].rate.value == 20
