from benchmarks.measure import parse_batches, schedule
from benchmarks.subjects import RAW, SERVERY, Target

TARGETS = [
    Target(SERVERY, SERVERY, "/v1/predict/digits"),
    Target(RAW, SERVERY, "/v1/predict/digits", "image/png", (32,)),
    Target("photo", SERVERY, "/v1/predict/photo", model="photo"),
]


def test_every_second_round_goes_the_other_way() -> None:
    steps = list(schedule(2, TARGETS[:2]))

    first, second = steps[: len(steps) // 2], steps[len(steps) // 2 :]
    assert second == first[::-1]


def test_only_digits_has_more_than_one_round() -> None:
    steps = list(schedule(2, TARGETS))

    assert [n for target, n in steps if target.model == "photo"] == [1, 8]
    assert [n for target, n in steps if target.name == RAW] == [32, 32]


def test_a_target_is_loaded_as_its_model_is_and_where_it_asks_for_less_so() -> None:
    steps = list(schedule(1, TARGETS))

    assert [number for target, number in steps if target.name == RAW] == [32]
    assert [n for target, n in steps if target.name == SERVERY] == [1, 8, 32, 128]
    assert [n for target, n in steps if target.model == "photo"] == [1, 8]


def test_batches_of_all_models_are_added_up() -> None:
    exposition = """# TYPE servery_batch_rows histogram
servery_batch_rows_sum{model="digits"} 120.0
servery_batch_rows_bucket{le="1.0",model="digits"} 3.0
servery_batch_rows_count{model="digits"} 10.0
servery_batch_rows_sum{model="other"} 8.0
servery_batch_rows_count{model="other"} 2.0
"""

    assert parse_batches(exposition) == (128, 12)


def test_no_batches_yet_are_none() -> None:
    assert parse_batches("") == (0, 0)
