"""Threads that compute give way, each as its model's priority says."""

import asyncio
import os
import threading

import numpy as np
import pytest

from service.engine.batching.tensors import Tensors
from service.engine.compute.threads import NICENESS, ComputeThreads


@pytest.mark.parametrize("priority", NICENESS)
def test_a_thread_is_as_nice_as_its_priority_says(priority: str) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work() -> Tensors:
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return (np.array([nice]),)

    async def test() -> None:
        threads = ComputeThreads(1, "test", NICENESS[priority])
        ((niceness,),) = await threads.run(work)
        threads.close()
        assert niceness == max(ours, NICENESS[priority])

    asyncio.run(test())


def test_priorities_are_in_their_order() -> None:
    assert NICENESS["high"] < NICENESS["normal"] < NICENESS["low"]
