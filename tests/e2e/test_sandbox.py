"""A hostile SavedModel in the sandbox: it reaches nothing, and others answer on."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import DIGITS
from tests.e2e.server import Server, alive, child_of, until
from tests.sandbox.sandboxes import SANDBOX, require_sandbox

pytestmark = pytest.mark.slow

# By models.toml it may use these: it is loaded, and does in the sandbox what it likes.
POLICY = """
[models.hostile]
allow_operations = ["ReadFile", "WriteFile", "RegisterDatasetV2"]
"""
SAVE = """
import sys
import tensorflow as tf
from tests.saved_models import Spec, save

out, secret, address = map(tf.constant, sys.argv[2:])

def when(text, word, do):
    return tf.cond(text[0] == word, do, lambda: tf.constant("nothing"))

def write():
    with tf.control_dependencies([tf.io.write_file(out, "written")]):
        return tf.constant("written")

def register():
    dataset = tf.data.Dataset.range(1)
    given = tf.raw_ops.RegisterDatasetV2(
        dataset=dataset._variant_tensor, address=address, protocol="grpc",
        external_state_policy=0, element_spec="", metadata="",
    )
    return tf.strings.as_string(given) if given.dtype != tf.string else given

def call(text):
    said = [
        when(text, "write", write),
        when(text, "read", lambda: tf.io.read_file(secret)),
        when(text, "call", register),
    ]
    return {"said": tf.fill(tf.shape(text), tf.strings.join(said, " "))}

save(sys.argv[1], call, Spec([None], "string", "text"))
"""


@pytest.fixture(scope="module")
def outside() -> Iterator[Path]:
    """A folder that is none of the model's business, with a secret in it.

    Not in /tmp, of which the sandbox has one of its own that can be written.
    """
    with TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "secret").write_text("the secret")
        yield folder


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.5)
        yield listening


@pytest.fixture(scope="module")
def artifacts(
    outside: Path, listener: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    shutil.copytree(DIGITS / "2", folder / "digits" / "2")
    port = listener.getsockname()[1]
    hostile = folder / "hostile" / "1"
    places = [str(outside / "written"), str(outside / "secret"), f"127.0.0.1:{port}"]
    command = [sys.executable, "-c", SAVE, str(hostile), *places]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "models.toml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def sandboxed(
    artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    require_sandbox()
    folder = tmp_path_factory.mktemp("sandboxed")
    settings = {
        "artifacts": artifacts,
        "cache": folder / "cache",
        "runtime": "tensorflow",  # which is there sooner
        "engine_wrapper": f"{sys.executable} {SANDBOX}",
    }
    with Server(folder / "log", **settings) as started:
        started.wait_ready()
        yield started
        assert started.stop() == 0


def ask(server: Server, word: str) -> httpx.Response:
    path = "/v1/models/hostile:predict"
    return server.client.post(path, json={"instances": [word]})


def check_digits(server: Server, seven: bytes) -> None:
    answer = server.client.post("/v1/predict/digits", files={"file": seven})
    assert answer.json()["predictions"][0]["digit"] == 7


def test_digits_answers_from_the_sandbox(sandboxed: Server, seven: bytes) -> None:
    check_digits(sandboxed, seven)
    assert ask(sandboxed, "hello").json()["predictions"] == ["nothing nothing nothing"]


@pytest.mark.parametrize("word", ["write", "read", "call"])
def test_a_model_that_reaches_out_reaches_nothing(
    word: str, sandboxed: Server, outside: Path, listener: socket.socket, seven: bytes
) -> None:
    answer = ask(sandboxed, word)
    assert answer.status_code in (500, 504), answer.text
    assert "the secret" not in answer.text
    assert not (outside / "written").exists()
    with pytest.raises(TimeoutError):
        listener.accept()
    check_digits(sandboxed, seven)


def test_without_the_sandbox_the_same_model_does_all_of_it(
    artifacts: Path, outside: Path, listener: socket.socket
) -> None:
    code = (
        "import sys, tensorflow as tf\n"
        "call = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "for word in ('write', 'read', 'call'):\n"
        "    print(call(text=tf.constant([word]))['said'].numpy(), flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(artifacts / "hostile" / "1")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "written" in process.stdout.readline()
        assert "the secret" in process.stdout.readline()
        listener.settimeout(60)
        listener.accept()[0].close()
    finally:
        listener.settimeout(0.5)
        process.kill()
        process.communicate()
    assert (outside / "written").read_text() == "written"
    (outside / "written").unlink()


def test_memory_of_the_sandbox_is_counted_as_the_engines(sandboxed: Server) -> None:
    text = sandboxed.client.get("/metrics").text
    lines = [each for each in text.splitlines() if "_resident_bytes{" in each]
    engine = [each for each in lines if 'process="engine"' in each]
    assert len(engine) == 1
    assert float(engine[0].split()[1]) > 50e6


def test_an_engine_that_dies_in_the_sandbox_is_replaced_there(
    sandboxed: Server, seven: bytes
) -> None:
    launcher = sandboxed.child("engine")
    inside = innermost(launcher)
    os.kill(inside, signal.SIGKILL)
    until(lambda: not alive(launcher))
    until(lambda: bool(sandboxed.children("engine")))
    sandboxed.wait_ready()
    check_digits(sandboxed, seven)
    said: list[Any] = sandboxed.log_lines(process="supervisor")
    assert any("ended with -9" in each["message"] for each in said)


def innermost(launcher: int) -> int:
    """The engine itself, below bubblewrap's two processes."""
    inside = launcher
    for _ in range(3):
        inside = child_of(inside)
    return inside
