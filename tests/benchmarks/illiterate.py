"""A server that reads no digit at all."""

import sys

import uvicorn

from tests.benchmarks import tiny

if __name__ == "__main__":
    tiny.KNOWN.clear()
    uvicorn.run(tiny.app, port=int(sys.argv[1]), lifespan="off", access_log=False)
