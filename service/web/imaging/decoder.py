"""A process that decodes images, for an HTTP process. Started by it, not by hand.

Whatever a file does to a decoder, it does it here: memory has a limit that the kernel
keeps and goes back when a picture is done, the interpreter lock that some decoders hold
is nobody else's, and what takes too long or crashes is replaced.

    job    = length (u32)  pickled `Job`
    reply  = length (u32)  JSON, length (u32)  the rows' bytes
"""

import logging
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, ImageFile
from pydantic_core import to_json

from service.errors import BodyTooLarge, ImageTooLarge, ServeryError
from service.web.imaging.decode import plain_size
from service.web.imaging.files import open_image

LENGTH = struct.Struct("=I")
SLICE_S = 0.01  # after so long the next picture is left to another turn


@dataclass(frozen=True, slots=True)
class Job:
    """Pictures to decode, as many as are done in a slice of time, at least one.

    Attributes:
        read: A function of a module, from a file and `max_pixels` to an array.
        images: The files.
        max_pixels: Of one image.
        pixels_left: That all images together may still have.
        most_work: Pixels, passes counted, above which it is left to a slower lane.
    """

    read: Callable[..., np.ndarray]
    images: list[bytes]
    max_pixels: int
    pixels_left: int
    most_work: int


@dataclass(frozen=True, slots=True)
class Task:
    """Other work that would hold the interpreter lock for too long elsewhere.

    Attributes:
        work: A function of a module with its arguments; its result is pickled.
    """

    work: Callable[[], Any]


def serve(connection: socket.socket, memory: int) -> None:
    """Answer jobs until the other end is closed."""
    with connection.makefile("rwb") as stream:
        while head := stream.read(LENGTH.size):
            job = pickle.loads(stream.read(LENGTH.unpack(head)[0]))  # noqa: S301
            do = perform if isinstance(job, Task) else answer
            facts, rows = do(job, memory)
            del job
            text = to_json(facts)
            stream.write(LENGTH.pack(len(text)) + text + LENGTH.pack(len(rows)))
            stream.write(rows)
            stream.flush()


def answer(job: Job, memory: int) -> tuple[dict[str, Any], bytes]:
    """Decode what a slice of time holds.

    Args:
        job: What to do.
        memory: The limit, for the message.

    Returns:
        What came of it, and the pixels of the rows. One of: `rows`, `pixels`, `shape`
        and `dtype`; `work`, of an image that is not for this lane; `code` and
        `message` of an error, `log` if it is ours.
    """
    began, rows, pixels = time.monotonic(), [], 0
    for data in job.images:
        try:
            size, work = _measure(data, job, job.pixels_left - pixels)
            if work > job.most_work:
                problem: dict[str, Any] = {"work": work}
                break
            rows.append(job.read(data, max_pixels=job.max_pixels))
            pixels += size
        except Exception as error:  # noqa: BLE001  # it goes into the reply
            problem = _describe(error, memory)
            break
        if time.monotonic() - began > SLICE_S:
            break
    if not rows:
        return problem, b""
    stacked = np.stack(rows)
    facts: dict[str, Any] = {"rows": len(rows), "pixels": pixels}
    facts |= {"shape": stacked.shape[1:], "dtype": stacked.dtype.name}
    return facts, stacked.tobytes()


def perform(task: Task, memory: int) -> tuple[dict[str, Any], bytes]:
    """Do other work.

    Returns:
        Nothing and the pickled result; or `code` and `message` of an error, and `log`.
    """
    try:
        return {}, pickle.dumps(task.work(), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        error = BodyTooLarge(
            "The request is too large: expected one that is read, and its answer "
            f"written, in at most {memory:,} bytes of memory."
        )
        return _describe(error, memory), b""
    except Exception as error:  # noqa: BLE001  # it goes into the reply
        return _describe(error, memory), b""


def _measure(data: bytes, job: Job, pixels_left: int) -> tuple[int, int]:
    """The pixels of a picture, and those that its decoder goes over."""
    plain = plain_size(data)
    if plain is not None:
        pixels = work = plain[0] * plain[1]
    else:
        opened = open_image(data, max_pixels=job.max_pixels)
        pixels, work = opened.image.width * opened.image.height, opened.work
    if pixels > pixels_left:
        raise ImageTooLarge(
            "The images of this request are too large together: expected at most "
            f"{pixels_left:,} pixels more, received {pixels:,}."
        )
    return pixels, work


def _describe(error: Exception, memory: int) -> dict[str, Any]:
    if isinstance(error, MemoryError):
        error = ImageTooLarge(
            "The image is too large: expected one that is decoded in at most "
            f"{memory:,} bytes of memory, received one that needs more."
        )
    if isinstance(error, ServeryError):
        return {"code": error.code, "message": error.message}
    log = "".join(traceback.format_exception(error))
    return {"code": "internal", "message": "Internal error.", "log": log}


def main() -> None:
    """Serve on an inherited socket: `decoder <descriptor> <bytes> <nice>`."""
    descriptor, memory, nice = (int(each) for each in sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a Ctrl-C the parent is told
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(nice)
    warnings.simplefilter("ignore")  # about a stranger's file, to nobody
    logging.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff prints a line for each fault
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    ImageFile.MAXBLOCK = 1 << 20
    serve(socket.socket(fileno=descriptor), memory)


if __name__ == "__main__":
    # Jobs that are sent here are of the module's classes, not of those of `__main__`.
    from service.web.imaging import decoder

    decoder.main()
