import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from loadtest.arrivals import Arrivals, constant
from loadtest.load import Load
from loadtest.objective import parse_objective
from loadtest.page import to_html
from loadtest.report import Report, to_json
from loadtest.results import OK, UNSENT
from loadtest.target import ServiceFigures, Snapshot, read_figures
from loadtest.text import remarks
from loadtest.workers import Outcome
from tests.loadtest.samples import Entry, record

MIX = {"digits": 0.5, "party": 0.5}


def entries(count: int = 200, latency_s: float = 0.01) -> list[Entry]:
    """Digits and parties in turn, over ten seconds."""
    return [
        (("digits", "party")[n % 2], OK, t, t, t + latency_s)
        for n, t in enumerate(np.linspace(0, 9.9, count).tolist())
    ]


def build(
    *given: Entry,
    service: ServiceFigures | None = None,
    cpu: float = 0.2,
    objective: str = "p99<1s",
) -> Report:
    load = Load(
        *("http://127.0.0.1:8000", MIX, ["digits", "party"], 10.0, 2.0),
        rates=constant(20, 10),
        arrivals=Arrivals.CONSTANT,
    )
    outcome = Outcome(record(*given), (0.1, cpu), interrupted=False, seconds=10.1)
    return Report(load, outcome, service, parse_objective(objective))


def test_the_warm_up_is_in_no_figure() -> None:
    slow = ("digits", OK, 1.0, 1.0, 9.0)

    report = build(slow, *entries())

    assert report.total.percentile(100) == pytest.approx(0.01)
    assert report.total.requests == sum(1 for each in entries() if each[2] >= 2)
    assert [each.name for each in report.workloads] == ["digits", "party"]


def test_drift_is_told_by_the_first_third_and_the_last() -> None:
    early = [each for each in entries() if each[2] < 6]
    late = [(*each[:4], each[4] + 0.5) for each in entries() if each[2] >= 6]

    report = build(*early, *late)

    first, last = report.thirds
    assert first.percentile(99) == pytest.approx(0.01)
    assert last.percentile(99) == pytest.approx(0.51)


@pytest.mark.parametrize(
    ("given", "cpu", "reason"),
    [
        (entries(), 0.95, "95% of a core"),
        ([(*e[:3], e[2] + 0.05, e[4] + 0.05) for e in entries()], 0.2, "50 ms late"),
        ([*entries(), ("digits", UNSENT, 5.0, 5.0, 5.0)], 0.2, "1 requests were not"),
    ],
    ids=["processor", "lag", "unsent"],
)
def test_a_client_that_was_the_limit_says_so(
    given: list[Entry], cpu: float, reason: str
) -> None:
    report = build(*given, cpu=cpu)

    assert reason in next(remarks(report))
    assert next(remarks(report)).startswith("The client was the limit")


def test_a_client_with_time_to_spare_says_nothing() -> None:
    assert build(*entries()).client.limits() == []


def test_the_file_has_every_figure_and_no_nan() -> None:
    text = to_json(build(*entries(), objective="sentiment.p99<1s"))

    record = json.loads(text, parse_constant=pytest.fail)
    assert record["workloads"]["digits"]["p99_s"] == pytest.approx(0.01)
    assert record["objective"][0] == {
        "condition": "sentiment.p99<1s",
        "measured": None,
        "kept": False,
    }
    assert len(record["windows"]) == 10


def test_the_page_is_whole_and_its_drawing_is_sound() -> None:
    page = to_html(build(*entries(), objective="errors<1%,p99<1ms"))

    (drawing,) = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    ElementTree.fromstring(drawing)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    for name in re.findall(r'(?:href="#|url\(#)([^")]+)', page):
        assert name in ids
    assert re.search(r'<span style="[^"]*bold[^"]*">FAILED  p99&lt;1ms', page)
    assert not re.search(r'(?:src|href)="(?!#)', page)  # nothing comes from elsewhere


def test_a_test_without_any_request_still_has_a_page() -> None:
    report = build()

    assert to_html(report).count("<svg") == 1
    assert json.loads(to_json(report))["total"]["p99_s"] is None
    assert not report.is_kept


def snapshot(**counts: float) -> Snapshot:
    """Batches of one model: `b2` with up to two rows, and so on."""
    le = {"b1": "1.0", "b2": "2.0", "b4": "4.0", "inf": "+Inf"}
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
        ("servery_batch_rows_bucket", (("le", le[name]), ("model", "digits"))): value
        for name, value in counts.items()
        if name in le
    }
    label = (("model", "digits"),)
    whole = (("model", "digits"), ("route", "/"), ("status", "200"))
    samples |= {
        ("servery_batch_rows_sum", label): counts["rows"],
        ("servery_batch_rows_count", label): counts["inf"],
        ("servery_request_seconds_count", whole): counts["answers"],
        ("servery_process_resident_bytes", (("process", "engine"),)): 300.0,
        ("servery_process_resident_bytes", (("process", "http"),)): 200.0,
    }
    return Snapshot(samples)


def test_the_services_figures_are_what_was_added() -> None:
    before = snapshot(b1=5, b2=5, b4=5, inf=5, rows=5, answers=5)
    after = snapshot(b1=5, b2=15, b4=25, inf=25, rows=65, answers=70)

    (model,) = read_figures(after.since(before)).models

    assert (model.answered, model.batches, model.rows_a_batch) == (65, 20, 3)
    assert after.total("servery_process_resident_bytes") == 500


def test_quantiles_are_read_between_the_bounds_of_the_buckets() -> None:
    work = snapshot(b1=0, b2=10, b4=20, inf=20, rows=60, answers=60)

    assert work.quantile(0.5, "servery_batch_rows", model="digits") == 2
    assert work.quantile(0.75, "servery_batch_rows", model="digits") == 3
    assert np.isnan(work.quantile(0.5, "servery_batch_rows", model="party"))
    overflowing = snapshot(b1=0, b2=0, b4=0, inf=1, rows=9, answers=1)
    assert overflowing.quantile(0.5, "servery_batch_rows") == 4
