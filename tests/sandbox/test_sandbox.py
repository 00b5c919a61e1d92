"""What runs in the sandbox reaches nothing outside, and ends as it would without."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.sandbox import seccomp
from tests.e2e.server import alive, child_of, until
from tests.sandbox.sandboxes import ROOT, command, require_sandbox, run


@pytest.fixture(autouse=True)
def _sandbox() -> None:
    require_sandbox()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """On loopback, outside."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.5)
        yield listening


def outcome(code: str, *options: str, **more: str) -> str:
    """What some lines of Python print there, or the name of the error they end with."""
    wrapped = "\n".join(f"    {line}" for line in code.splitlines())
    done = run(
        f"try:\n{wrapped}\nexcept Exception as error:\n"
        "    print(type(error).__name__, getattr(error, 'errno', ''))",
        *options,
        **more,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"])
def test_there_is_no_socket_of_any_network(family: str) -> None:
    code = f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM)"
    assert outcome(code) == "OSError 97"


def test_nobody_outside_is_reached(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
    assert outcome(code) == "OSError 97"
    with pytest.raises(TimeoutError):
        listener.accept()


def test_sockets_between_its_own_processes_work() -> None:
    code = (
        "import socket; one, other = socket.socketpair(); one.send(b'x')\n"
        "print(other.recv(1))"
    )
    assert outcome(code) == "b'x'"


def test_an_abstract_socket_of_ours_is_not_there() -> None:
    name = f"\0servery-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(name)
        ours.listen()
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})"
        assert outcome(code) == "ConnectionRefusedError 111"


@pytest.mark.parametrize(
    "place", ["/usr/x", "/etc/x", "/x", "{service}/x", "/sys/x", "/dev/x", "/proc/x"]
)
def test_nothing_can_be_written_but_what_is_its_own(place: str) -> None:
    path = place.format(service=ROOT / "service")
    assert outcome(f"open({path!r}, 'w').write('x')").split()[0] in {
        "OSError",
        "PermissionError",
        "FileNotFoundError",
    }
    assert not Path(path).exists()


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_what_it_writes_to_memory_is_its_own_and_bounded(folder: str) -> None:
    path = f"{folder}/servery-test-{os.getpid()}"
    assert outcome(f"open({path!r}, 'w').write('x'); print('written')") == "written"
    assert not Path(path).exists()
    assert outcome(f"open({path!r}, 'wb').write(bytes(200_000_000))") == "OSError 28"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/shadow", "{root}/README.md", "{root}/.git", "/proc/1/mem"],
)
def test_files_that_are_none_of_its_business_are_not_there(path: str) -> None:
    code = f"open({path.format(root=ROOT)!r}, 'rb').read(1); print('read')"
    assert outcome(code) != "read"


def test_it_sees_no_process_but_its_own() -> None:
    code = (
        "import os; print(sorted(int(each) for each in os.listdir('/proc') if "
        "each.isdecimal()))"
    )
    assert len(json.loads(outcome(code))) <= 3
    assert outcome(f"import os; os.kill({os.getpid()}, 0)") == "ProcessLookupError 3"


def test_it_has_no_privilege_and_gains_none() -> None:
    code = "print(open('/proc/self/status').read())"
    status = dict(line.split(":\t", 1) for line in outcome(code).splitlines())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize("name", sorted(seccomp.NUMBERS))
def test_a_system_call_that_is_listed_is_refused(name: str) -> None:
    machine = os.uname().machine
    if machine not in seccomp.MACHINES:
        pytest.skip(f"no filter for {machine}")
    number = seccomp.NUMBERS[name][seccomp.MACHINES[machine][1]]
    if number is None:
        pytest.skip(f"{machine} has no {name}")
    code = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(libc.syscall({number}, 0, 0, 0, 0, 0, 0), ctypes.get_errno())"
    )
    assert outcome(code) == "-1 1"


def test_a_machine_that_is_unknown_has_no_filter() -> None:
    assert seccomp.build("riscv64") is None


def test_it_is_told_no_secret() -> None:
    secrets = {
        "SERVERY_ADMIN_TOKEN": "a", "SERVERY_API_KEY": "b", "AWS_SECRET_KEY": "c",
        "SERVERY_LOG_LEVEL": "DEBUG",
    }  # fmt: skip
    code = "import os; print(' '.join(sorted(os.environ)))"
    found = outcome(code, **secrets).split()
    assert "SERVERY_LOG_LEVEL" in found
    assert not {*found} & {"SERVERY_ADMIN_TOKEN", "SERVERY_API_KEY", "AWS_SECRET_KEY"}


def test_folders_are_added_by_option(tmp_path: Path) -> None:
    (tmp_path / "read").mkdir()
    (tmp_path / "write").mkdir()
    (tmp_path / "read" / "file").write_text("content")
    options = ("--read", str(tmp_path / "read"), "--write", str(tmp_path / "write"))
    code = (
        f"text = open('{tmp_path}/read/file').read()\n"
        f"open('{tmp_path}/write/file', 'w').write(text); print(text)\n"
        f"open('{tmp_path}/read/other', 'w')"
    )
    assert outcome(code, *options) == "content\nOSError 30"
    assert (tmp_path / "write" / "file").read_text() == "content"


@pytest.mark.parametrize("code", [0, 3, 77])
def test_it_ends_with_the_code_of_what_ran(code: int) -> None:
    assert run(f"raise SystemExit({code})").returncode == code


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_it_ends_by_the_signal_of_what_ran(number: signal.Signals) -> None:
    done = run(f"import os; os.kill(os.getpid(), {int(number)})")
    assert done.returncode == -number


WAITING = (
    "import os, signal, sys\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
    "os.write(int(sys.argv[1]), b'ready'); signal.pause()"
)


@pytest.fixture
def waiting() -> Iterator["subprocess.Popen[bytes]"]:
    """Something that runs in the sandbox, and ends with 5 when it is told to end."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*command(), sys.executable, "-c", WAITING, str(writing)],
        pass_fds=[writing],
        cwd=ROOT,
    )
    os.close(writing)
    assert os.read(reading, 5) == b"ready"  # a descriptor of ours was handed down
    os.close(reading)
    yield process
    process.kill()
    process.wait()


def test_it_is_told_to_end_and_may_take_its_leave(
    waiting: "subprocess.Popen[bytes]",
) -> None:
    waiting.terminate()
    assert waiting.wait(30) == 5


def test_nothing_of_it_outlives_who_is_killed(
    waiting: "subprocess.Popen[bytes]",
) -> None:
    inside = [waiting.pid]
    for _ in range(3):  # bubblewrap, its first process, ours
        inside.append(child_of(inside[-1]))
    waiting.kill()
    until(lambda: not any(map(alive, inside[1:])))


def test_without_bubblewrap_it_says_what_to_install(tmp_path: Path) -> None:
    done = run("pass", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install bubblewrap" in done.stderr
