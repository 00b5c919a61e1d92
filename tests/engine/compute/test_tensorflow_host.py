"""TensorFlow in a process of its own: what it computes, and what its end means."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.contract import Contract, from_saved_model
from service.contract.saved_model import read_saved_model
from service.contract.version import read_version
from service.engine.compute.tensorflow_host import (
    HostedModel,
    HostedModelError,
    TensorFlowHost,
)
from service.engine.ended import ProcessDied, ProcessEnd
from service.settings import Settings
from tests.e2e.server import alive, suspend, until
from tests.engine.compute.test_strangers import CASES, floats, texts
from tests.engine.deadly.sitecustomize import KILL_VALUE
from tests.saved_models import DTYPES, KINDS
from tests.versions import write_deadly, write_version

DEADLY = Path(__file__).parents[1] / "deadly"
CALLS, ROUNDS = 40, 20


@pytest.fixture(scope="module")
def host() -> Iterator[TensorFlowHost]:
    """With TensorFlow; it takes seconds to start."""
    found = TensorFlowHost(Settings(device="cpu", tensorflow_threads=1))
    yield found
    found.close()


@pytest.fixture
def ends() -> list[ProcessEnd]:
    return []


@pytest.fixture
def deadly(
    ends: list[ProcessEnd], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TensorFlowHost]:
    """With models that kill in TensorFlow's place; it starts at once."""
    monkeypatch.setenv("PYTHONPATH", f"{DEADLY}:{Path.cwd()}")
    found = TensorFlowHost(Settings(process_silence_s=5), ends.append)
    yield found
    found.close()


def load(host: TensorFlowHost, kind: str, folder: Path) -> HostedModel:
    """One of the SavedModels of strangers, warm."""
    folder.mkdir(exist_ok=True)
    KINDS[kind](folder)
    contract = from_saved_model(kind, 1, read_saved_model(folder))
    model = host.load(folder, contract)
    model.warm()
    return model


def load_version(host: TensorFlowHost, folder: Path) -> HostedModel:
    """One that `write_version` wrote."""
    name, version = folder.parent.name, int(folder.name)
    return host.load(folder, read_version(folder, name, version).contract)


def multiply(model: HostedModel, value: int) -> int:
    return int(model.run("serving_default", (np.array([value]),))[0][0])


def count_descriptors(pid: int | str) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def count_threads(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"), CASES, ids=[c[0] for c in CASES]
)
def test_it_computes_what_the_model_does(
    host: TensorFlowHost, kind: str, inputs: Any, expected: list[Any], tmp_path: Path
) -> None:
    outputs = load(host, kind, tmp_path).run("serving_default", inputs)
    assert [output.tolist() for output in outputs] == expected


def test_every_dtype_comes_out_as_it_went_in(
    host: TensorFlowHost, tmp_path: Path
) -> None:
    model = load(host, "every_dtype", tmp_path)
    sent = {
        dtype: texts(b"a", b"\xff") if dtype == "string" else np.array([1, 0], dtype)
        for dtype in DTYPES
    }
    specs = model.contract.signatures["serving_default"]
    inputs = tuple(sent[spec.name.removeprefix("in_")] for spec in specs.inputs)
    outputs = model.run("serving_default", inputs)
    for spec, output in zip(specs.outputs, outputs, strict=True):
        original = sent[spec.name.removeprefix("out_")]
        assert output.dtype == original.dtype
        assert output.tolist() == original.tolist()


@pytest.mark.parametrize("rows", [0, 1, 5, 20_000, 3_000_000])
def test_tensors_of_any_size_cross(
    host: TensorFlowHost, rows: int, tmp_path: Path
) -> None:
    numbers = np.random.default_rng(rows).standard_normal(rows, np.float32)
    model = load(host, "half_plus_two", tmp_path)
    (output,) = model.run("serving_default", (numbers,))
    np.testing.assert_array_equal(output, numbers / 2 + 2)
    (output,) = model.run("serving_default", (numbers[::-2],))  # not in one piece
    np.testing.assert_array_equal(output, numbers[::-2] / 2 + 2)


def test_many_texts_cross(host: TensorFlowHost, tmp_path: Path) -> None:
    model = load(host, "table_from_asset", tmp_path)
    sent = np.array([b"two", b"x" * 100_000, b""] * 2000, dtype=object)
    (found,) = model.run("serving_default", (sent,))
    assert len(found) == len(sent)
    assert set(found[::3].tolist()) == {2}


def test_what_is_found_out_in_warming_up_is_known_here(
    host: TensorFlowHost, tmp_path: Path
) -> None:
    model = load(host, "other_length", tmp_path)
    assert "length" in model.contract.unbatched["serving_default"]
    assert model.traces == 1


def test_what_keeps_state_keeps_it(host: TensorFlowHost, tmp_path: Path) -> None:
    model = load(host, "counter", tmp_path)
    sums = [model.run("serving_default", (floats(5),))[0].tolist() for _ in range(3)]
    assert sums == [[5], [10], [15]]


def test_an_error_of_the_model_is_an_error_with_its_message(
    host: TensorFlowHost, tmp_path: Path
) -> None:
    model = load(host, "two_inputs", tmp_path)
    for _ in range(3):
        with pytest.raises(HostedModelError, match="int64"):
            model.run("serving_default", (texts(b"you"), floats(1, 2)))
        outputs = model.run("serving_default", (texts(b"you"), np.array([[1, 2]])))
        assert outputs[0].tolist() == [[2, 4]]


def test_what_cannot_be_loaded_says_why_and_harms_nobody(
    host: TensorFlowHost, tmp_path: Path
) -> None:
    model = load(host, "half_plus_two", tmp_path / "good")
    contract = model.contract.model_copy(update={"name": "bad"})
    (tmp_path / "bad").mkdir()
    with pytest.raises(HostedModelError, match="SavedModel") as failure:
        host.load(tmp_path / "bad", contract)
    assert "Traceback" in failure.value.__notes__[0]
    assert model.run("serving_default", (floats(1),))[0].tolist() == [2.5]


def test_everybody_gets_his_own_rows_of_five_models_at_once(
    host: TensorFlowHost, tmp_path: Path
) -> None:
    kinds = ("half_plus_two", "no_rows", "two_inputs", "fixed_rows", "hash_table")
    cases = {kind: (inputs, expected) for kind, inputs, expected in CASES}
    models = {kind: load(host, kind, tmp_path / kind) for kind in kinds}

    def call(kind: str) -> None:
        inputs, expected = cases[kind]
        for _ in range(CALLS):
            outputs = models[kind].run("serving_default", inputs)
            assert [output.tolist() for output in outputs] == expected

    def halve(first: int) -> None:
        for number in range(first, first + CALLS):
            rows = np.arange(number, number + 3, dtype=np.float32)
            (output,) = models["half_plus_two"].run("serving_default", (rows,))
            assert output.tolist() == (rows / 2 + 2).tolist()

    with ThreadPoolExecutor(12) as threads:
        work = [threads.submit(call, kind) for kind in kinds * 2]
        work += [threads.submit(halve, first) for first in (0, 1000)]
        for each in work:
            each.result(60)


@pytest.mark.slow
def test_a_model_that_nobody_holds_is_gone_there_too(
    host: TensorFlowHost, tmp_path: Path
) -> None:
    def cycle() -> None:
        model = load(host, "half_plus_two", tmp_path)
        with ThreadPoolExecutor(2) as threads:
            tasks = [
                threads.submit(model.run, "serving_default", (floats(1),))
                for _ in range(8)
            ]
            for each in tasks:
                each.result(30)

    for _ in range(3):
        cycle()
    before = counts(host.pid)  # there is one by now, whichever test comes first
    for _ in range(ROUNDS):
        cycle()
    until(lambda: bool(np.less_equal(counts(host.pid), before).all()))


def counts(pid: int | None) -> tuple[int, int, int]:
    assert pid
    return count_descriptors("self"), count_descriptors(pid), count_threads(pid)


@pytest.mark.parametrize("when", ["loading", "warming", "computing", "idle"])
@pytest.mark.parametrize("how", ["segfault", "exit"])
def test_its_death_is_told_before_those_who_wait(
    deadly: TensorFlowHost, ends: list[ProcessEnd], when: str, how: str, tmp_path: Path
) -> None:
    good = load_version(deadly, write_version(tmp_path, "good", 1, factor=2))
    pid = deadly.pid
    assert pid
    assert multiply(good, 4) == 8
    folder = write_deadly(tmp_path, "bad", 1, when, how)
    if when == "idle":
        os.kill(pid, signal.SIGKILL)
    else:
        with pytest.raises(ProcessDied):
            bad = load_version(deadly, folder)
            bad.warm()
            multiply(bad, KILL_VALUE)
        assert len(ends) == 1
    until(lambda: bool(ends))
    (end,) = ends
    assert end.name == "tensorflow-0"
    if when == "idle":
        assert (end.code, end.at_work) == (-signal.SIGKILL, frozenset())
    else:
        assert end.code == (3 if how == "exit" else -signal.SIGSEGV)
        assert end.at_work == {("bad", 1)}
        assert "these are my last words" in end.last_words
    assert not good.alive
    with pytest.raises(ProcessDied) as late:
        multiply(good, 4)
    assert not late.value.began
    again = load_version(deadly, tmp_path / "good" / "1")
    assert multiply(again, 4) == 8
    assert deadly.pid not in (pid, None)
    assert not alive(pid)


def test_all_that_run_when_it_dies_are_told_at_once(
    deadly: TensorFlowHost, ends: list[ProcessEnd], tmp_path: Path
) -> None:
    models = [
        load_version(deadly, write_version(tmp_path, f"times{each}", 1, factor=each))
        for each in range(5)
    ]
    pid = deadly.pid
    assert pid
    suspend(pid)
    with ThreadPoolExecutor(10) as threads:
        work = [threads.submit(multiply, model, 1) for model in models * 2]
        until(lambda: len(process_of(deadly)._at_work) == len(work))
        os.kill(pid, signal.SIGKILL)
        for each in work:
            assert isinstance(each.exception(10), ProcessDied)
    assert ends[0].at_work == {(f"times{each}", 1) for each in range(5)}


def process_of(host: TensorFlowHost) -> Any:
    return host._process


def test_one_that_is_silent_is_killed(
    deadly: TensorFlowHost, ends: list[ProcessEnd], tmp_path: Path
) -> None:
    model = load_version(deadly, write_version(tmp_path, "times", 1))
    assert deadly.pid
    suspend(deadly.pid)
    with pytest.raises(ProcessDied):
        multiply(model, 1)
    assert [end.code for end in ends] == [-signal.SIGKILL]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_with_the_engine_and_not_before(
    deadly: TensorFlowHost, number: int, tmp_path: Path
) -> None:
    model = load_version(deadly, write_version(tmp_path, "times", 1))
    assert deadly.pid
    os.kill(deadly.pid, number)
    assert multiply(model, 3) == 6


@pytest.mark.parametrize("state", ["running", "stopped"])
@pytest.mark.usefixtures("deadly")  # for its environment
def test_an_engine_that_is_killed_leaves_no_process_behind(
    state: str, tmp_path: Path
) -> None:
    folder = write_version(tmp_path, "times", 1)
    code = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from service.contract.version import read_version\n"
        "from service.engine.compute.tensorflow_host import TensorFlowHost\n"
        "from service.settings import Settings\n"
        "folder, host = Path(sys.argv[1]), TensorFlowHost(Settings())\n"
        "contract = read_version(folder, 'times', 1).contract\n"
        "model = host.load(folder, contract)\n"
        "print(host.pid, flush=True)\n"
        "threading.Event().wait()\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as engine:
        assert engine.stdout
        pid = int(engine.stdout.readline())
        assert alive(pid)
        if state == "stopped":
            suspend(pid)
        engine.kill()
    until(lambda: not alive(pid), 5)


def test_what_cannot_be_started_says_so_and_is_tried_again(
    deadly: TensorFlowHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_version(tmp_path, "times", 1)
    before = count_descriptors("self")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/program")
        for _ in range(3):
            with pytest.raises(ProcessDied, match="cannot be started"):
                load_version(deadly, folder)
    assert count_descriptors("self") <= before  # another test's may have gone
    assert multiply(load_version(deadly, folder), 3) == 6


def test_deaths_leave_nothing_open(deadly: TensorFlowHost, tmp_path: Path) -> None:
    folder = write_version(tmp_path, "times", 1)

    def cycle() -> None:
        model = load_version(deadly, folder)
        assert multiply(model, 3) == 6
        os.kill(deadly.pid or 0, signal.SIGKILL)
        until(lambda: not model.alive)

    cycle()
    descriptors, threads = count_descriptors("self"), threading.active_count()
    for _ in range(3):
        cycle()
    until(lambda: count_descriptors("self") <= descriptors)
    assert threading.active_count() <= threads


def test_who_waits_holds_up_no_other_thread(
    deadly: TensorFlowHost, tmp_path: Path
) -> None:
    model = load_version(deadly, write_version(tmp_path, "times", 1))
    assert deadly.pid
    turns = 0
    with ThreadPoolExecutor(1) as threads, ExitStack() as stack:
        suspend(deadly.pid)
        stack.callback(os.kill, deadly.pid, signal.SIGCONT)
        waiting = threads.submit(multiply, model, 3)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            turns += 1
        stack.close()
        assert waiting.result(30) == 6
    assert turns > 10_000


def test_its_threads_are_as_nice_as_those_who_ask(
    deadly: TensorFlowHost, tmp_path: Path
) -> None:
    contract: Contract = read_version(
        write_version(tmp_path, "times", 1), "times", 1
    ).contract
    model = deadly.load(tmp_path / "times" / "1", contract)
    pid = deadly.pid
    assert pid

    def ask(niceness: int) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
        multiply(model, 1)

    for niceness in (12, 15):
        in_thread(lambda niceness=niceness: ask(niceness))  # type: ignore[misc]
    tasks = Path(f"/proc/{pid}/task").iterdir()
    found = {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks}
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert {max(here, 12), max(here, 15), here} <= found


def in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
