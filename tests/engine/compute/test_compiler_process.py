"""OpenVINO's native code may crash or hang over a version: TensorFlow computes it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from service.contract.policy import ModelPolicy
from service.contract.version import read_version
from service.engine.compute.choice import RuntimeChooser
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.compiler_process import CompilerDied, CompilerProcess
from service.engine.compute.openvino_runtime import OpenVINORuntime
from tests.engine.compute.test_choice import Loading, Runtimes, chosen, contract

SINE = Path("artifacts/sine/1")
DEADLY = {
    "by SIGSEGV": "import ctypes; ctypes.string_at(1)",
    "by SIGABRT": "import os; os.abort()",
    "with exit code 3": "import os; os._exit(3)",
    "with exit code 0": "import os; os._exit(0)",
    "within 2 s": "import time; time.sleep(3600)",
}


def dying(how: str) -> CompilerProcess:
    return CompilerProcess(1, (sys.executable, "-c", DEADLY[how]), most_s=2)


def test_what_is_compiled_there_is_loaded_here(tmp_path: Path) -> None:
    given = read_version(SINE, "sine", 1).contract
    compiler = CompilerProcess(1)
    compiler.compile(SINE, given, tmp_path)
    x = (np.array([0.5], np.float32),)
    (found,) = compiler.load(given, tmp_path).run("serving_default", x)
    (tmp_path / "again").mkdir()
    here = OpenVINORuntime(1)
    here.compile(SINE, given, tmp_path / "again")
    (expected,) = here.load(given, tmp_path / "again").run("serving_default", x)
    assert found == expected


def test_what_cannot_be_compiled_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved_model\.pb cannot be read"):
        CompilerProcess(1).compile(tmp_path, contract(), tmp_path)


def test_a_folder_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    given = read_version(SINE, "sine", 1).contract
    with pytest.raises(OSError, match="No such file or directory"):
        CompilerProcess(1).compile(SINE, given, tmp_path / "gone")


@pytest.mark.parametrize("how", DEADLY)
def test_its_end_is_told(how: str, tmp_path: Path) -> None:
    with pytest.raises(CompilerDied, match=how):
        dying(how).compile(SINE, contract(), tmp_path)


def test_tensorflow_computes_what_it_died_of_and_it_is_not_tried_again(
    tmp_path: Path,
) -> None:
    def load(compiler: CompilerProcess) -> str:
        tensorflow = Loading(Runtimes().load_tensorflow)
        cache = CompiledCache(tmp_path / "cache")
        chooser = RuntimeChooser(compiler, tensorflow, cache, 1)
        found = chosen(chooser.load(SINE, contract(), ModelPolicy()))
        return f"{found.name}: {found.reason}"

    expected = "tensorflow: its compiler ended by SIGSEGV"
    assert load(dying("by SIGSEGV")) == expected
    assert load(dying("with exit code 3")) == expected
