"""Python imports this first, where its folder is on the path: models that kill.

It takes the place of TensorFlow in the process that the engine starts for it, or in the
engine itself where `DEADLY_IN` says so. So a test can have a version die when it likes,
and a start takes no seconds.
"""

import json
import os
import signal
import sys
import types
from collections.abc import Callable
from ctypes import string_at
from pathlib import Path
from typing import Any

KILL_VALUE = 666  # computing this kills, where the version dies of computing
WAYS: dict[str, Callable[[], object]] = {
    "segfault": lambda: string_at(1),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


class DeadlyModel:
    """Multiplies; dies as its folder's `deadly` says: `{"when": …, "how": …}`."""

    in_process = alive = True
    bfloat16 = divided = ()

    def __init__(self, folder: Path, contract: Any):
        self.contract = contract
        self.factor = int((folder / "factor").read_text())
        file = folder / "deadly"
        self.plan = json.loads(file.read_text()) if file.exists() else {"when": "never"}
        self.die_if("loading")

    def die_if(self, doing: str) -> None:
        if self.plan["when"] == doing:
            os.write(2, b"these are my last words\n")
            WAYS[self.plan["how"]]()

    def run(self, signature: str, rows: Any) -> Any:
        if (rows[0] == KILL_VALUE).any():
            self.die_if("computing")
        return (rows[0] * self.factor,)

    def warm(self) -> float:
        self.die_if("warming")
        return 0.0


class DeadlyRuntime:
    """What is taken for TensorFlow's runtime, or for who has it in another process."""

    def __init__(self, *_: Any):
        pass

    def load(self, folder: Path, contract: Any, *_: Any) -> DeadlyModel:
        return DeadlyModel(folder, contract)

    def start(self) -> None:
        """Nothing: it is ready."""

    def release(self) -> None:
        """Nothing: it holds nothing."""


if __name__ == "sitecustomize":  # and not imported by a test
    module = types.ModuleType("service.engine.compute.tensorflow_runtime")
    module.TensorFlowRuntime = DeadlyRuntime  # type: ignore[attr-defined]
    if os.environ.get("DEADLY_IN") == "engine":
        module = types.ModuleType("service.engine.compute.tensorflow_host")
        module.TensorFlowHost = DeadlyRuntime  # type: ignore[attr-defined]
        module.HostedModelError = RuntimeError  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
