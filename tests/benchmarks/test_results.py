from tests.benchmarks.samples import PLAIN, results, sample


def test_the_least_disturbed_samples_are_kept() -> None:
    found = results()
    several = [sample(1, others=0.5), sample(2, others=0.0), sample(3, others=0.1)]
    found.samples[PLAIN, 8] = several

    found.keep(2)

    kept = [each.load.requests for each in found.samples[PLAIN, 8]]
    assert kept == [2, 3]


def test_others_are_the_mean_over_what_was_kept() -> None:
    found = results()
    found.samples.clear()
    found.bare.clear()
    found.samples[PLAIN, 8] = [sample(1, others=0.1), sample(1, others=0.3)]

    assert found.others == 0.2
