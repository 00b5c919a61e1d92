"""Which system calls a sandboxed engine has no use for, as a program for the kernel.

A filter of classic BPF over `struct seccomp_data`: number, architecture, arguments
(https://docs.kernel.org/userspace-api/seccomp_filter.html). What is not listed is
allowed: TensorFlow and OpenVINO may use any of the rest tomorrow. Sockets are allowed
between processes of this machine, of the family AF_UNIX, and none else.
"""

import struct

NUMBERS = {  # x86_64, aarch64; None: there is no such call
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "setns": (308, 268),
    "unshare": (272, 97),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "vhangup": (153, 58),
}
SOCKET = (41, 198)
AF_UNIX = 1
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH_…
X32 = 0x40000000  # numbers from here on are of another way into the same kernel

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000 | 1  # with EPERM
UNSUPPORTED = 0x00050000 | 97  # with EAFNOSUPPORT
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_INSTRUCTION = struct.Struct("=HBBI")


def build(machine: str) -> bytes | None:
    """The filter for a machine as `uname -m` calls it; None for one that is unknown."""
    if machine not in MACHINES:
        return None
    architecture, column = MACHINES[machine]
    numbers = (each[column] for each in NUMBERS.values())
    refused = [number for number in numbers if number is not None]
    program = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, X32), (_RETURN, 0, 0, REFUSE)]
    for number in refused:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, REFUSE)]
    program += [
        (_EQUAL, 0, 3, SOCKET[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUAL, 1, 0, AF_UNIX),
        (_RETURN, 0, 0, UNSUPPORTED),
        (_RETURN, 0, 0, ALLOW),
    ]
    return b"".join(_INSTRUCTION.pack(*each) for each in program)
