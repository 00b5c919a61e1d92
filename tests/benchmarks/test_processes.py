import os
import subprocess
import sys

from benchmarks.processes import Watch, cpu_seconds, family, memory

BUSY = (
    "import time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"
)
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


def test_a_process_costs_what_its_descendants_cost() -> None:
    watch = Watch()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert len(list(family(process.pid))) == 2
        assert cpu_seconds(process.pid) >= 0.3
        found = memory(process.pid)
        assert found.processes == 2
        assert found.rss >= found.pss > 0
        process.communicate(b"\n")

    assert list(family(process.pid)) == []
    assert cpu_seconds(process.pid) == 0
    assert 0 <= watch.others() <= 1
    assert os.getpid() == next(family(os.getpid())).pid
