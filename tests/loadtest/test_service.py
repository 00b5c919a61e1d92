"""Load tests of the real service."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from loadtest.arrivals import Arrivals, constant
from loadtest.commands import cli
from loadtest.load import Load, default_mix
from loadtest.objective import parse_objective
from loadtest.report import run_test
from loadtest.results import OK
from loadtest.target import Target
from loadtest.workers import Tick, Workers
from loadtest.workloads import WORKLOADS, ImageForm
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

FORMS = ("digits", "photo")


@pytest.fixture(scope="module")
def ready(server: Server) -> tuple[str, ...]:
    return Target(server.url).ready_models()


def test_every_body_of_every_workload_is_answered(
    server: Server, ready: tuple[str, ...]
) -> None:
    for name in default_mix(ready):
        work = WORKLOADS[name]
        for form in ImageForm if name in FORMS else [ImageForm.RAW]:
            for body in work.make(ready, form):
                answer = server.client.post(
                    work.path,
                    content=body.content,
                    headers={"content-type": body.media_type},
                )
                assert answer.status_code == 200, (name, form, answer.text)


def test_a_closed_loop_counts_what_the_service_counts(
    server: Server, ready: tuple[str, ...]
) -> None:
    load = Load(server.url, default_mix(ready), ready, 2, connections=8)

    with Workers(2) as workers:
        report = run_test(load, workers, parse_objective("errors<=0%,requests>0"))

    assert report.is_kept
    assert set(report.total.outcomes) == {OK}
    assert report.service
    counted: Counter[str] = Counter()
    for each in report.service.models:
        counted[each.model.partition("_")[0]] += each.answered  # clothing has two
    assert counted == {each.name: each.requests for each in report.workloads}
    assert all(each.rows_a_batch >= 1 for each in report.service.models)
    assert len(report.client.cpu_shares) == 2


def test_a_stall_shows_in_every_request_that_was_meant_to_be_sent_in_it(
    server: Server,
) -> None:
    """The engine is stopped for a while; a closed loop would lose one request."""
    rate, seconds = 50, 4.0
    load = Load(
        *(server.url, {"digits": 1.0}, ["digits"], seconds),
        rates=constant(rate, seconds),
        arrivals=Arrivals.CONSTANT,
        connections=1000,
        timeout_s=60,
    )
    engine = server.child("engine")
    stall: list[float] = []

    def stop_then_go_on(now_s: float, ticks: Sequence[Tick]) -> None:
        entered = time.monotonic()
        if not stall:
            os.kill(engine, signal.SIGSTOP)
            stall.append(now_s + time.monotonic() - entered)
        elif len(stall) == 1:
            stall.append(now_s)
            os.kill(engine, signal.SIGCONT)

    try:
        with Workers(1) as workers:
            outcome = workers.run(load, stop_then_go_on)
    finally:
        os.kill(engine, signal.SIGCONT)

    results = outcome.results
    assert results.intended_s == pytest.approx(np.arange(rate * seconds) / rate)
    assert results.counts() == {OK: rate * seconds}
    stopped_s, went_on_s = stall
    caught = results.between(stopped_s + 0.1, went_on_s)
    assert len(caught) >= rate * (went_on_s - stopped_s - 0.2)
    assert np.all(caught.latency_s >= went_on_s - caught.intended_s)


def test_conditions_decide_the_exit_code_and_files_are_written(
    server: Server, tmp_path: Path
) -> None:
    command = ["run", "--url", server.url, "--rate", "20", "--duration", "1s"]
    command += ["--warmup", "0s", "--mix", "digits,party"]
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "html")}
    for kind, path in files.items():
        command += [f"--{kind}", str(path)]

    kept = CliRunner().invoke(cli, [*command, "--assert", "errors<=0%,p99<60s"])
    failed = CliRunner().invoke(
        cli, [*command, "--assert", "p50<1us,errors<=0%,goodput>9999"]
    )

    assert kept.exit_code == 0, kept.output
    assert failed.exit_code == 1, failed.output
    assert "FAILED  p50<1us" in failed.output
    assert "kept    errors<=0%" in failed.output
    assert "FAILED  goodput>9999" in failed.output
    record = json.loads(files["json"].read_text())
    assert [each["kept"] for each in record["objective"]] == [False, True, False]
    assert record["total"]["outcomes"].keys() == {"200"}
    assert files["html"].read_text().count("<svg") == 1


def test_ctrl_c_reports_what_was_done_so_far(server: Server) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "service.cli", "loadtest", "run"),
            *("--url", server.url, "--rate", "20", "--duration", "10m"),
            *("--mix", "digits", "--warmup", "0s"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert "/s " in process.stderr.readline()  # the first second is over
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    assert "Interrupted after" in output
    assert "Errors: none." in output


def test_a_mix_that_is_not_ready_is_refused(server: Server) -> None:
    result = CliRunner().invoke(cli, ["run", "--url", server.url, "--mix", "letters"])

    assert result.exit_code == 2
    assert "received 'letters'" in result.output
