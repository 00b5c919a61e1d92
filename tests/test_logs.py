"""Lines of the log, as whoever reads it gets them."""

import json
from datetime import UTC, datetime

import pytest

from service.logs import AccessLog


def test_requests_are_logged_in_one_write_each_with_its_own_time(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    times = [1_790_000_000.9994, 1_790_000_000.9996, 1_790_000_001.0, 0.001]
    AccessLog("http-0").write({"time": each, "code": None} for each in times)
    lines = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [line.pop("time") for line in lines] == [
        datetime.fromtimestamp(each, UTC).isoformat(timespec="milliseconds")
        for each in times
    ]
    same = {"level": "info", "process": "http-0", "message": "request"}
    assert lines == [same] * len(times)
