from benchmarks.bare import SIZES
from benchmarks.measure import parse_batches, schedule
from benchmarks.subjects import RAW, SERVERY
from tests.benchmarks.samples import TARGETS


def test_targets_take_turns_at_each_load_and_change_direction_each_round() -> None:
    steps = [step for step in schedule(2, TARGETS) if not isinstance(step, int)]

    first, second = steps[: len(steps) // 2], steps[len(steps) // 2 :]
    names = [target.name for target, connections in first if connections == 32]
    assert names == [target.name for target in TARGETS]
    assert [t.name for t, connections in second if connections == 32] == names[::-1]


def test_a_target_is_loaded_at_its_own_loads_only() -> None:
    steps = [step for step in schedule(1, TARGETS) if not isinstance(step, int)]

    assert [number for target, number in steps if target.name == RAW] == [32]
    assert [n for target, n in steps if target.name == SERVERY] == [1, 8, 32, 128]


def test_the_bare_model_has_its_turn_in_every_round() -> None:
    sizes = [step for step in schedule(3, TARGETS) if isinstance(step, int)]

    assert sizes == [*SIZES] * 3


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
