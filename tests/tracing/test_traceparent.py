"""The header of W3C Trace Context, as the standard reads it."""

import pytest

from service.tracing.traceparent import read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
def test_a_header_says_trace_span_and_whether_it_is_sampled(flags: str) -> None:
    header = f"00-{TRACE}-{SPAN}-{flags}"
    read = read_traceparent(header)
    assert read is not None
    assert (read.trace_id, read.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert read.is_sampled == (flags in {"01", "03"})
    assert str(read) == header


def test_a_later_version_may_say_more() -> None:
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings") is not None
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01") is not None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01 ",
        f"00-{TRACE}-{SPAN}-1",
        f"0-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-zz",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-٠١",
    ],
)
def test_what_the_standard_does_not_know_is_no_header(header: str) -> None:
    assert read_traceparent(header) is None
