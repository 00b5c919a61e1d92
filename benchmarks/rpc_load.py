"""A closed loop of unary RPCs, in a process of its own: what wrk is to HTTP.

    python -m benchmarks.rpc_load <address> <method> <bodies> <connections> <seconds>

Messages are sent and taken as bytes, so it costs the machine no more than it must; a
client in Python still costs far more than wrk, of the same cores. It prints one line
of JSON, as `load.lua` does.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import grpc
import grpc.aio

from benchmarks.load import Load, parse_load
from benchmarks.subjects import ROOT

GRACE_S = 0.3  # of every connection, before anything is counted


def run_rpc_load(
    address: str, method: str, bodies: Path, *, connections: int, seconds: float
) -> Load:
    """Send the messages of a folder in turn, from another process; as `run_load`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.rpc_load", address, method),
            *(str(bodies), str(connections), str(seconds)),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return parse_load(done.stdout, client_cpu_s=cpu_s)


async def measure(
    address: str, method: str, bodies: list[bytes], connections: int, seconds: float
) -> dict[str, object]:
    """Keep every connection busy with one RPC at a time."""
    waits: list[float] = []
    errors: Counter[str] = Counter()
    begins = time.perf_counter() + GRACE_S
    end = begins + seconds

    async def caller(number: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            call = channel.unary_unary(method)
            turn = number
            while (began := time.perf_counter()) < end:
                turn += 1
                try:
                    await call(bodies[turn % len(bodies)], timeout=30)
                except grpc.aio.AioRpcError:
                    errors["status"] += began >= begins
                if began >= begins:
                    waits.append(time.perf_counter() - began)

    await asyncio.gather(*map(caller, range(connections)))
    waits.sort()
    return {
        "requests": len(waits),
        "seconds": time.perf_counter() - begins,
        "p50_ms": 1000 * waits[len(waits) // 2],
        "p99_ms": 1000 * waits[int(len(waits) * 0.99)],
        "errors": errors,
    }


if __name__ == "__main__":
    folder = Path(sys.argv[3])
    messages = [file.read_bytes() for file in sorted(folder.iterdir())]
    facts = measure(
        sys.argv[1], sys.argv[2], messages, int(sys.argv[4]), float(sys.argv[5])
    )
    print(json.dumps(asyncio.run(facts)))
