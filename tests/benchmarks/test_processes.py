import pytest

from benchmarks.processes import TICKS_S, Stat, family, parse_machine, parse_stat


def test_cpu_time_is_read_past_a_name_with_blanks_and_brackets() -> None:
    text = f"42 (a (b) c) S 7 {' '.join('0' * 9)} 300 100 20 30 20 0 1 0"

    assert parse_stat(text) == Stat(7, 400 / TICKS_S, 50 / TICKS_S)


def test_a_machine_is_busy_neither_while_idle_nor_while_waiting() -> None:
    total_s, busy_s = parse_machine("cpu  1 2 4 1000 500 8 16 32 0 0\ncpu0 9 9\n")

    assert total_s == pytest.approx(1563 / TICKS_S)
    assert busy_s == pytest.approx(63 / TICKS_S)


def test_a_family_is_the_root_and_all_that_descend_from_it() -> None:
    parents = {1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 5}
    stats = {pid: Stat(parent, 0, 0) for pid, parent in parents.items()}

    assert sorted(family(stats, 2)) == [2, 3, 4]
