from pathlib import Path

from benchmarks.results import Turn, keep, read_results
from tests.benchmarks.samples import results, sample


def test_the_least_disturbed_samples_of_each_load_are_kept() -> None:
    several = [sample(1, others=0.5), sample(2, others=0.0), sample(3, others=0.1)]
    other = sample(4, connections=8, others=0.9)

    kept = keep(Turn("Servery", [*several, other]), 2)

    assert [each.load.requests for each in kept.samples] == [2, 3, 4]


def test_a_run_that_was_kept_in_a_file_can_go_on(tmp_path: Path) -> None:
    found = results()
    found.failed["LitServe, 1 worker"] = "ended with 1"
    file = tmp_path / "results.json"

    found.save(file)

    assert read_results(file) == found
    assert list(tmp_path.iterdir()) == [file]
