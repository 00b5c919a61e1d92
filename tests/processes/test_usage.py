"""What the processes cost, read from the kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.processes.usage import ProcessCollector, memory_limit_bytes


def samples(pid: int) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("process", "")): sample.value
        for family in ProcessCollector(pid).collect()
        for sample in family.samples
    }


def test_every_process_is_named_and_measured() -> None:
    work = "import sys, time\nwhile time.process_time() < 0.05: pass\n"
    wait = "print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", work + wait, "--name", "http-3"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        found = samples(os.getpid())
        child.communicate()
    for process in ("supervisor", "http-3"):
        held = found["servery_process_resident_bytes", process]
        assert 1e6 < held < found["servery_memory_limit_bytes", ""]
        assert found["servery_process_cpu_seconds_total", process] > 0
    assert ("servery_process_resident_bytes", "http-3") not in samples(os.getpid())


def test_a_process_that_is_gone_has_no_samples() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert set(samples(child.pid)) == {("servery_memory_limit_bytes", "")}


@pytest.mark.parametrize("text", ["4096\n", "max\n", None])
def test_a_control_group_limits_memory(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "memory.max"
    if text is not None:
        file.write_text(text)
    machine = memory_limit_bytes([])
    expected = 4096 if text == "4096\n" else machine
    assert memory_limit_bytes([file]) == expected > 0
