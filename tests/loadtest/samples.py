"""Results as a client would have recorded them."""

from loadtest.results import Recorder, Results

WORKLOADS = ("digits", "party")

Entry = tuple[str, str, float, float, float]
"""Workload, outcome, and when it was meant to be sent, was sent, and ended."""


def record(*entries: Entry) -> Results:
    recorder = Recorder(WORKLOADS)
    for workload, outcome, *times in entries:
        intended, sent, ended = times
        recorder.add(WORKLOADS.index(workload), outcome, (intended, sent, ended))
    return recorder.results()
