"""Whom the journal blames for the death of an engine."""

import os
import signal
from pathlib import Path

import pytest

from service.engine import crashes
from service.engine.activity import Marker
from service.engine.crashes import CrashJournal, Death
from service.engine.ended import ProcessEnd
from service.engine.reconciler import Key

GOOD, BAD = ("good", 1), ("bad", 1)


def journal_in(
    folder: Path, code: int | None = None, window_s: float = 60
) -> CrashJournal:
    """The journal of the next engine, whose predecessor ended with this code."""
    file = os.open(folder / "journal", os.O_RDWR | os.O_CREAT)
    journal = CrashJournal(file, most=2, window_s=window_s)
    journal.take_over(code, "last words")
    return journal


def blamed(journal: CrashJournal) -> dict[Key, float]:
    weights = {key: journal.weight(key, "files") for key in (GOOD, BAD)}
    return {key: weight for key, weight in weights.items() if weight}


def computing(journal: CrashJournal, *keys: Key) -> list[Marker]:
    """The markers of these versions, each of which is at a batch."""
    markers = [journal.open(key, "files") for key in keys]
    for marker in markers:
        marker.begin_batch()
    return markers


def test_who_was_loading_is_blamed_and_not_who_computed_meanwhile(
    tmp_path: Path,
) -> None:
    journal = journal_in(tmp_path)
    journal.open(GOOD, "files").begin_batch()
    journal.open(BAD, "files").load()
    assert blamed(journal_in(tmp_path, -signal.SIGSEGV)) == {BAD: 1}


def test_all_who_computed_are_suspects_and_compute_alone_from_then_on(
    tmp_path: Path,
) -> None:
    journal = journal_in(tmp_path)
    idle = journal.open(("idle", 1), "files")
    idle.begin_batch()
    idle.end_batch()
    computing(journal, GOOD, BAD)
    journal = journal_in(tmp_path, 3)
    assert blamed(journal) == {GOOD: 1, BAD: 1}
    assert journal.weight(("idle", 1), "files") == 0
    markers = [journal.open(key, "files") for key in (GOOD, BAD)]
    assert markers[0].alone is markers[1].alone is not None
    assert journal.open(("idle", 1), "files").alone is None


def test_two_deaths_are_a_quarantine_until_the_files_are_others(tmp_path: Path) -> None:
    for _ in range(2):
        journal = journal_in(tmp_path, 3)
        assert journal.quarantined(BAD, "files") is None
        journal.open(BAD, "files").load()
    journal = journal_in(tmp_path, -signal.SIGABRT)
    death = journal.quarantined(BAD, "files")
    assert death is not None
    assert journal.quarantined(BAD, "other files") is None
    reason = journal.describe(death)
    assert "died 2 times while this version was loading, at last by SIGABRT" in reason
    assert "last words" in reason


@pytest.mark.parametrize(
    "code", [0, -signal.SIGTERM, -signal.SIGINT], ids=["end", "term", "int"]
)
def test_nobody_is_blamed_for_an_engine_that_was_told_to_end(
    tmp_path: Path, code: int
) -> None:
    journal_in(tmp_path).open(BAD, "files").load()
    assert blamed(journal_in(tmp_path, code)) == {}


def test_an_engine_that_leaves_in_peace_leaves_no_suspect(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.open(BAD, "files").load()
    journal.leave()
    assert blamed(journal_in(tmp_path, 1)) == {}


def test_a_kill_is_half_a_fault_unless_memory_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_in(tmp_path).open(BAD, "files").load()
    journal = journal_in(tmp_path, -signal.SIGKILL)
    assert blamed(journal) == {BAD: 0.5}
    computing(journal, GOOD)
    vmstat = tmp_path / "vmstat"
    vmstat.write_text(f"pgfault 1\noom_kill {crashes.count_oom_kills() + 1}\n")
    monkeypatch.setattr(crashes, "VMSTAT", vmstat)
    journal = journal_in(tmp_path, -signal.SIGKILL)
    assert blamed(journal) == {BAD: 0.5, GOOD: 1}


def ended(code: int) -> ProcessEnd:
    """The end of another process, which was at work for both."""
    return ProcessEnd("tensorflow-0", code, "last words", frozenset((GOOD, BAD)))


@pytest.mark.parametrize(
    ("code", "weight"),
    [(-signal.SIGSEGV, 1), (3, 1), (0, 1), (-signal.SIGKILL, 0.5)],
    ids=["segfault", "exit", "end", "kill"],
)
def test_the_death_of_another_process_is_blamed_on_who_was_loading_there(
    tmp_path: Path, code: int, weight: float
) -> None:
    journal = journal_in(tmp_path)
    good, bad = journal.open(GOOD, "files"), journal.open(BAD, "files")
    good.begin_batch()
    bad.load()
    journal.blame(ended(code), [good, bad])
    assert blamed(journal) == {BAD: weight}
    assert blamed(journal_in(tmp_path, -signal.SIGTERM)) == {BAD: weight}


def test_the_death_of_another_process_makes_suspects_of_those_who_computed_there(
    tmp_path: Path,
) -> None:
    journal = journal_in(tmp_path)
    markers = computing(journal, GOOD, BAD)
    computing(journal, ("here", 1))
    journal.blame(ended(-signal.SIGKILL), markers)
    assert blamed(journal) == {}
    journal.blame(ended(-signal.SIGABRT), markers)
    assert blamed(journal) == {GOOD: 1, BAD: 1}
    assert journal.weight(("here", 1), "files") == 0
    assert journal.open(BAD, "files").alone is not None
    markers[0].end_batch()
    journal.blame(ended(-signal.SIGABRT), markers)
    death = journal.quarantined(BAD, "files")
    assert death is not None
    assert "tensorflow-0 died 2 times" in journal.describe(death)
    assert journal.quarantined(GOOD, "files") is None


def test_the_death_of_another_process_while_the_engine_leaves_is_nobodys_fault(
    tmp_path: Path,
) -> None:
    journal = journal_in(tmp_path)
    markers = computing(journal, BAD)
    journal.leave()
    journal.blame(ended(3), markers)
    assert blamed(journal) == {}


def test_memory_that_ran_out_in_another_process_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("oom_kill 1\n")
    monkeypatch.setattr(crashes, "VMSTAT", vmstat)
    journal = journal_in(tmp_path)
    markers = computing(journal, BAD)
    vmstat.write_text("oom_kill 2\n")
    for _ in range(2):
        journal.blame(ended(-signal.SIGKILL), markers)
        assert blamed(journal) == {BAD: 1}


def test_who_lives_in_another_process_is_not_to_blame_for_the_engine(
    tmp_path: Path,
) -> None:
    journal = journal_in(tmp_path)
    marker = journal.open(GOOD, "files")
    marker.load()
    marker.move_out()
    marker.begin_batch()
    journal.open(BAD, "files").begin_batch()
    assert blamed(journal_in(tmp_path, -signal.SIGSEGV)) == {BAD: 1}


def test_a_version_that_loads_after_all_is_absolved(tmp_path: Path) -> None:
    journal_in(tmp_path).open(BAD, "files").load()
    journal = journal_in(tmp_path, -signal.SIGKILL)
    journal.absolve(BAD)
    assert blamed(journal) == {}
    assert blamed(journal_in(tmp_path, 3)) == {}


def test_a_death_counts_for_so_long(tmp_path: Path) -> None:
    journal_in(tmp_path).open(BAD, "files").load()
    assert blamed(journal_in(tmp_path, 3)) == {BAD: 1}
    assert blamed(journal_in(tmp_path, 3, window_s=0)) == {}


def test_memory_that_is_full_or_gone_stops_nobody() -> None:
    journal = CrashJournal(os.open(os.devnull, os.O_RDONLY), most=2, window_s=60)
    journal.take_over(3, "last words")
    marker = journal.open(BAD, "files")
    marker.load()
    marker.begin_batch()
    marker.end_batch()
    journal.close(marker)
    journal.record(
        Death(
            model="bad",
            version=1,
            fingerprint="files",
            doing="computing",
            at=0,
            weight=1,
            ended="",
        )
    )
    journal.absolve(BAD)
    journal.leave()
