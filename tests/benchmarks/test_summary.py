import pytest

from benchmarks.summary import Median, best, summarise, summarise_all
from tests.benchmarks.samples import PLAIN, SLOWER, results, sample


def test_figures_are_medians_with_their_spread() -> None:
    rounds = [sample(900, p50_ms=11), sample(300, p50_ms=40), sample(1000, p50_ms=10)]

    summary = summarise(rounds)

    assert summary.rate == Median(900, 300, 1000)
    assert summary.p50_ms == Median(11, 10, 40)


def test_cpu_is_that_of_all_rounds_over_all_requests() -> None:
    summary = summarise([sample(900), sample(100)])

    assert summary.cpu_ms == pytest.approx(1.0)  # twice half a second, 1,000 requests
    assert summary.client_share == pytest.approx(0.1)


def test_errors_of_all_rounds_are_added_up() -> None:
    rounds = [sample(1, errors={"status": 2}), sample(1, errors={"status": 1})]

    assert summarise(rounds).errors == {"status": 3}


def test_mean_batch_is_unknown_where_the_server_does_not_tell() -> None:
    assert summarise([sample(1)]).mean_batch is None
    assert summarise([sample(1, batches=4), sample(1, batches=2)]).mean_batch == 8


def test_best_answers_the_most_requests() -> None:
    assert best(summarise_all(results()), [SLOWER, PLAIN], 32) == PLAIN
