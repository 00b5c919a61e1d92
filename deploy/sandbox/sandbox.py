#!/usr/bin/env python3
"""Run Servery's engine, and all that it starts, in a sandbox of bubblewrap's.

    SERVERY_ENGINE_WRAPPER=deploy/sandbox/sandbox.py servery serve

What runs in it has no network, sees no other process, and of the file system the
programs that it is made of and the models, which it can read, and the folder of what
was compiled and a /tmp of its own, which it can write. It has no capability, gains no
privilege, and cannot make the system calls of `seccomp.py`. The sockets and pipes that
the supervisor hands down stay open, and are the only way out.

Needs Linux, bubblewrap 0.8 (Debian: apt-get install bubblewrap) and user namespaces.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import seccomp

TMP_BYTES = 128 * 1024 * 1024
KILLED = 128  # an exit code above it says which signal ended a program
AGAIN_S = 0.05
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
READABLE = (
    "/usr",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
)
HANDED_DOWN = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PWD", "TZ", "XLA_FLAGS")
PREFIXES = (
    "CUDA", "GOMP_", "KMP_", "LC_", "MKL_", "NVIDIA_", "OMP_", "OPENVINO_", "OV_",
    "PYTHON", "SERVERY_", "TF_",
)  # fmt: skip
SECRETS = ("SERVERY_ADMIN_TOKEN", "SERVERY_API_KEY")
FIND = (
    "import json, service, sys; print(json.dumps([service.__path__[0], sys.prefix, "
    "sys.base_prefix, *sys.path]))"
)


def main() -> None:
    """Run a command in the sandbox, and end as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--read", action="append", default=[], metavar="PATH")
    parser.add_argument("--write", action="append", default=[], metavar="PATH")
    parser.add_argument("--device", action="append", default=[], metavar="PATH")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if not given.command:
        parser.error("expected a command")
    program = shutil.which("bwrap")
    if program is None:
        sys.exit("bubblewrap is not installed (Debian: apt-get install bubblewrap)")
    settings = read_settings(given.command)
    options = [
        *isolate(),
        *show_system(),
        *show_code(given.command[0]),
        *show_models(settings),
        *(each for path in given.read for each in ("--ro-bind", path, path)),
        *(each for path in given.write for each in ("--bind", path, path)),
        *(each for path in given.device for each in ("--dev-bind", path, path)),
        *("--dir", str(Path.cwd()), "--remount-ro", "/", "--chdir", str(Path.cwd())),
    ]
    run([program, *options], given.command)


def read_settings(command: Sequence[str]) -> dict[str, Any]:
    """The service's settings, which the supervisor tells the engine."""
    if "--handover" not in command:
        return {}
    handover = json.loads(command[command.index("--handover") + 1])
    found: dict[str, Any] = handover["settings"]
    return found


def isolate() -> list[str]:
    """Namespaces of its own for all that there are, and no privilege."""
    return [
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
        *("--unshare-uts", "--unshare-cgroup-try", "--disable-userns"),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--hostname", "sandbox"),
    ]


def show_system() -> Iterator[str]:
    """Programs and libraries of the system, and what tells how many cores there are."""
    for path in READABLE:
        yield from ("--ro-bind-try", path, path)
    for path in SYSTEM:
        if Path(path).is_symlink():
            yield from ("--symlink", str(Path(path).readlink()), path)
        else:
            yield from ("--ro-bind-try", path, path)
    yield from ("--proc", "/proc", "--dev", "/dev")
    for path in ("/tmp", "/dev/shm"):  # noqa: S108 - its own
        yield from ("--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", path)
    yield from ("--remount-ro", "/dev")


def show_code(python: str) -> Iterator[str]:
    """The interpreter, its packages, and ours: of a checkout no more than that."""
    try:
        asked = subprocess.run(
            [python, "-c", FIND], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return  # it is no interpreter that knows us
    package, *folders = json.loads(asked.stdout)
    here = str(Path.cwd())
    folders = [each for each in dict.fromkeys(folders) if each not in ("", here)]
    parts = [each for each in folders if Path(each) != Path(package).parent]
    if package.startswith(tuple(f"{each}/" for each in (sys.prefix, *parts))):
        parts = folders
    for path in (*parts, package):
        if Path(path).exists() and not path.startswith("/usr/"):
            yield from ("--ro-bind", path, path)


def show_models(settings: dict[str, Any]) -> Iterator[str]:
    """What the engine reads and writes, by its settings."""
    artifacts = settings.get("artifacts")
    if artifacts:
        folder = Path(artifacts).absolute()
        yield from ("--ro-bind", str(folder), str(folder))
        for target in sorted(find_targets(folder)):
            yield from ("--ro-bind", target, target)
    reference = settings.get("drift_reference")
    if reference:
        path = str(Path(reference).absolute())
        yield from ("--ro-bind-try", path, path)
    cache = settings.get("cache")
    if cache:
        folder = Path(cache).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        yield from ("--bind", str(folder), str(folder))


def find_targets(artifacts: Path) -> set[str]:
    """Where links to models and versions lead that are there now."""
    with contextlib.suppress(OSError):
        models = [each for each in artifacts.iterdir() if each.is_dir()]
        versions = [each for model in models for each in model.iterdir()]
        links = [each for each in (*models, *versions) if each.is_symlink()]
        return {str(each.resolve()) for each in links if each.exists()}
    return set()


def environment() -> dict[str, str]:
    """Of the engine: what it can use, and no secret of others."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name in HANDED_DOWN or name.startswith(PREFIXES)) and name not in SECRETS
    }


def run(bubblewrap: Sequence[str], command: Sequence[str]) -> None:
    """Run a command, tell it to end when we are told, and end as it does."""
    program = seccomp.build(platform.machine())
    more, kept = [], [fd for fd in inherited() if fd > 2]
    if program is not None:
        filters = os.memfd_create("seccomp")
        os.write(filters, program)
        os.lseek(filters, 0, os.SEEK_SET)
        more, kept = ["--seccomp", str(filters)], [*kept, filters]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*bubblewrap, *more, "--info-fd", str(writing), "--", *command],
        pass_fds=[*kept, writing],
        env=environment(),
    )
    os.close(writing)
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, end)
    threading.Thread(target=forward, args=(reading, ending), daemon=True).start()
    code = process.wait()
    if code < 0:
        end_by(-code)
    if code > KILLED:
        end_by(code - KILLED)
    sys.exit(code)


def forward(reading: int, ending: threading.Event) -> None:
    """Have what runs in the sandbox end, once it is there; bubblewrap tells nobody."""
    with os.fdopen(reading) as file:
        told = file.read()
    ending.wait()
    if not told:
        return
    first = Path(f"/proc/{json.loads(told)['child-pid']}/task")
    while True:
        with contextlib.suppress(OSError, IndexError):
            threads = [(each / "children").read_text() for each in first.iterdir()]
            os.kill(int(" ".join(threads).split()[0]), signal.SIGTERM)
            return
        if not first.exists():
            return
        time.sleep(AGAIN_S)


def inherited() -> Iterator[int]:
    """The descriptors that we were handed."""
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.get_inheritable(int(each.name)):
                yield int(each.name)


def end_by(number: int) -> None:
    """End by this signal, as the command did, and leave no core of ours."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # of SIGKILL there is no other
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
