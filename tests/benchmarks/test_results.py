import math
import random
from pathlib import Path
from statistics import median

import pytest

from benchmarks.results import Pair, compare, interval, read_results
from benchmarks.subjects import PLAIN
from tests.benchmarks.samples import FAST, results, sample


def test_a_run_that_was_kept_in_a_file_can_go_on(tmp_path: Path) -> None:
    found = results()
    found.failed["LitServe, 1 worker"] = "ended with 1"
    file = tmp_path / "results.json"

    found.save(file)

    assert read_results(file) == found
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_the_interval_of_few_rounds_is_all_of_them(count: int) -> None:
    found = interval([float(n) for n in range(count, 0, -1)])

    assert (found.low, found.high) == (1, count)


def test_the_interval_of_many_rounds_leaves_out_as_many_at_both_ends() -> None:
    assert interval([float(n) for n in range(8)]).low == 1
    found = interval([float(n) for n in range(101)])

    assert found.low + found.high == 2 * found.median
    assert 35 < found.low < 45


@pytest.mark.parametrize("count", [5, 8, 20])
def test_the_interval_holds_the_true_median_nine_times_of_ten(count: int) -> None:
    """Of a skewed distribution, as latencies are: exponential, its median is ln 2."""
    rng, tries = random.Random(0), 4000
    held = 0
    for _ in range(tries):
        found = interval([rng.expovariate(1) for _ in range(count)])
        held += found.low <= math.log(2) <= found.high

    assert 0.89 < held / tries < 0.99


def test_a_server_is_held_against_its_neighbour_round_by_round() -> None:
    """The machine slows down to a third: the ratio is the same."""
    slower = [(3000, 1500), (1500, 750), (900, 450)]
    found = [Pair(sample(b, target=FAST), sample(a)) for a, b in slower]

    (one,) = compare(found)

    assert one.rates == [2.0] * 3
    assert one.peer == "mosec"


def test_a_load_of_each_target_is_compared_alone() -> None:
    found = compare(results().pairs)

    keys = [(each.target, each.connections) for each in found]
    assert len(set(keys)) == len(keys)
    assert {each.rate for each in found if each.peer == PLAIN} == {2.0}


def test_a_refusal_is_no_answer() -> None:
    one = sample(500)
    one.load.errors["status"] = 600

    assert one.load.rate == 300
    assert one.load.cpu_ms == pytest.approx(0.5 / 300 * 1000)
    assert median([one.load.rate]) == 300
