"""The processes of a service by their names, and what each of them holds."""

from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.processes import family


@dataclass(frozen=True, slots=True)
class Member:
    """What a process holds."""

    pss: int  # bytes; a page that several share is split among them
    descriptors: int
    threads: int


def look(root: int) -> dict[str, Member]:
    """The processes of a service now: `http-0`, `decoder`, `decoder 2`."""
    found: dict[str, Member] = {}
    for process in family(root):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            name = _name(process.cmdline())
            again = sum(each.partition(" ")[0] == name for each in found)
            held = process.memory_full_info().pss
            found[f"{name} {again + 1}" if again else name] = Member(
                held, process.num_fds(), process.num_threads()
            )
    return found


def _name(command: list[str]) -> str:
    """`--name http-0`, or the module's last word; the supervisor has neither."""
    for flag in ("--name", "-m"):
        if flag in command:
            return command[command.index(flag) + 1].rpartition(".")[2]
    return "supervisor"
