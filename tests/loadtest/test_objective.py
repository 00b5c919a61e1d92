import pytest

from loadtest.objective import ObjectiveError, judge, parse_objective
from loadtest.results import OK, TIMEOUT
from loadtest.summary import ALL, Summary, Window, summarise
from tests.loadtest.samples import record


def summaries() -> dict[str, Summary]:
    """100 digits in 1 to 100 ms, and a request about a party that was given up."""
    entries = [("digits", OK, 0.0, 0.0, n / 1000) for n in range(1, 101)]
    results = record(*entries, ("party", TIMEOUT, 0.0, 0.0, 10.0))
    window = Window(0, 20)
    return {ALL: summarise(results, window, None)} | {
        name: summarise(results.of(name), window, None, name)
        for name in ("digits", "party")
    }


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("digits.p50<=50ms", True),
        ("digits.p50<50ms", False),
        ("digits.p99.5 < 101 ms", True),
        ("digits.max<0.1s", False),
        ("digits.max<=100000us", True),
        ("digits.mean<51ms", True),
        ("p100<100ms", False),
        ("errors<1%", True),
        ("errors<0.5%", False),
        ("digits.errors<=0%", True),
        ("party.errors<50%", False),
        ("goodput>4.9", True),
        ("rate>=5.05", False),
        ("requests>=101", True),
        ("sentiment.p99<1s", False),
        ("sentiment.errors<100%", False),
    ],
)
def test_a_condition_is_judged_by_its_own_figure(text: str, *, kept: bool) -> None:
    (verdict,) = judge(parse_objective(text), summaries())

    assert verdict.is_kept is kept


def test_every_condition_is_told() -> None:
    verdicts = judge(
        parse_objective("digits.p99<50ms, errors<0.1%,goodput>500,sentiment.max<1s"),
        summaries(),
    )

    assert [str(verdict) for verdict in verdicts] == [
        "FAILED  digits.p99<50ms: 99ms",
        "FAILED  errors<0.1%: 0.9901%",
        "FAILED  goodput>500: 5",
        "FAILED  sentiment.max<1s: nothing measured",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p99", "expected conditions such as p99<50ms,errors<0.1%, received 'p99'"),
        ("p99<50", "expected p99 as us or ms or s, received 50"),
        ("p99<50%", "expected p99 as us or ms or s, received 50%"),
        ("errors<1", "expected errors as %, received 1"),
        ("goodput>5ms", "expected goodput as a plain number, received 5ms"),
        ("p0<5ms", "expected p1 to p100"),
        ("p101<5ms", "expected p1 to p100"),
        ("speed>5", "received 'speed'"),
        ("letters.p99<5ms", "expected one of digits, .* received 'letters'"),
        ("p99<5ms,", "received ''"),
        ("p99=5ms", "received 'p99=5ms'"),
        ("p99<-5ms", "received 'p99<-5ms'"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        parse_objective(text)
