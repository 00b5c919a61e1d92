"""A closed loop of unary RPCs, for a process of its own: what wrk is to HTTP.

Messages are sent and taken as bytes, so it costs the machine no more than it must; a
client in Python still costs far more than wrk, of the same cores.
"""

import asyncio
import time
from collections import Counter

import grpc
import grpc.aio
import numpy as np

from benchmarks.load import Load

GRACE_S = 0.3  # of every connection, before anything is counted


def run_rpc_load(
    address: str, method: str, bodies: list[bytes], connections: int, seconds: float
) -> Load:
    """Send messages in turn, on so many connections for so long; as `run_load`."""
    return asyncio.run(_measure(address, method, bodies, connections, seconds))


async def _measure(
    address: str, method: str, bodies: list[bytes], connections: int, seconds: float
) -> Load:
    waits: list[float] = []
    errors: Counter[str] = Counter()
    begins, cpu_s = time.perf_counter() + GRACE_S, time.process_time()
    end = begins + seconds

    async def caller(turn: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            call = channel.unary_unary(method)
            while (began := time.perf_counter()) < end:
                turn += 1
                try:
                    await call(bodies[turn % len(bodies)], timeout=30)
                except grpc.aio.AioRpcError:
                    errors["status"] += began >= begins
                if began >= begins:
                    waits.append(time.perf_counter() - began)

    await asyncio.gather(*map(caller, range(connections)))
    taken_s, cpu_s = time.perf_counter() - begins, time.process_time() - cpu_s
    p50_ms, p99_ms = (1000 * np.quantile(waits or [np.nan], (0.5, 0.99))).tolist()
    return Load(len(waits), taken_s, p50_ms, p99_ms, +errors, cpu_s)
