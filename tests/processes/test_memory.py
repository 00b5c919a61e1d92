"""What is no longer needed is given back."""

import subprocess
import sys

from service.processes.memory import resident_bytes

SCRIPT = """
import gc
from service.processes.memory import (
    MemoryWatch, keep_large_blocks_apart, resident_bytes,
)

gc.disable()  # it would come by in its own time
keep_large_blocks_apart()
watch = MemoryWatch()
before = resident_bytes()

class Caller:
    def __init__(self):
        self.itself, self.body = self, b"x" * 16_000_000

for _ in range(10):
    Caller()
    if SLOWLY:
        watch.check()
held = resident_bytes() - before
watch.check()
print(held // 1_000_000, (resident_bytes() - before) // 1_000_000)
"""


def test_garbage_in_cycles_is_given_back_when_the_process_has_grown() -> None:
    command = [sys.executable, "-c", f"SLOWLY = False{SCRIPT}"]
    held, left = subprocess.check_output(command, text=True).split()
    assert int(held) >= 150
    assert int(left) < 20


def test_garbage_that_comes_little_by_little_is_given_back_too() -> None:
    command = [sys.executable, "-c", f"SLOWLY = True{SCRIPT}"]
    held, left = subprocess.check_output(command, text=True).split()
    assert int(held) < 60
    assert int(left) < 60


REQUESTS = """
import gc
from service.processes.memory import start_collecting

walks = []
gc.callbacks.append(lambda phase, _: walks.append(phase))
gc.disable()
start_collecting()
under_way = [[each] for each in range(20_000)]
few = len(walks)
under_way = [[each] for each in range(100_000)]
print(few, len(walks) > 0)
"""


def test_what_is_under_way_is_not_walked_until_it_has_grown_a_lot() -> None:
    told = subprocess.check_output([sys.executable, "-c", REQUESTS], text=True)
    assert told.split() == ["0", "True"]


def test_resident_bytes_are_those_of_this_process() -> None:
    assert 10_000_000 < resident_bytes() < 100_000_000_000


CODE = """
import openvino
from pathlib import Path
from service.processes.memory import resident_bytes, unmap_code

def read():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes["Rss:"] - sizes["Anonymous:"], sizes["Anonymous:"]

core = openvino.Core()
assert core.available_devices
before = read()
unmap_code()
after = read()
print(openvino.Core().available_devices)  # by code that is to be found again
print(before[0] // 1000, after[0] // 1000, abs(before[1] - after[1]) // 1000)
"""


def test_the_code_of_libraries_is_let_go_and_found_again() -> None:
    told = subprocess.check_output([sys.executable, "-c", CODE], text=True)
    devices, sizes = told.splitlines()
    before, after, written = map(int, sizes.split())
    assert "CPU" in devices
    assert after < before - 10
    assert written <= 1
