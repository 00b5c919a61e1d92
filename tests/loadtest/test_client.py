from dataclasses import replace
from itertools import islice

import pytest

from loadtest.client import Client
from loadtest.load import TIMEOUT_HEADER, Load, Share

LOAD = Load("http://localhost:1", {"party": 0.75, "mammogram": 0.25}, ["party"], 1)


def chosen(share: Share, count: int) -> list[tuple[int, bytes]]:
    choices = islice(Client(share).choices, count)
    return [(workload, request.content) for workload, request in choices]


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_choose_what_one_would(processes: int) -> None:
    whole = chosen(Share(LOAD), 600)

    for index in range(processes):
        part = chosen(Share(LOAD, index, processes), 600 // processes)
        assert part == whole[index::processes]


def test_the_mix_is_kept_and_every_body_has_its_turn() -> None:
    drawn = chosen(Share(LOAD), 8000)

    assert sum(workload for workload, _ in drawn) == pytest.approx(2000, rel=0.1)
    for number, bodies in enumerate(LOAD.bodies()):
        sent = {body for workload, body in drawn if workload == number}
        assert sent == {body.content for body in bodies}


def test_a_deadline_is_told_to_the_service() -> None:
    load = Load(LOAD.url, LOAD.mix, LOAD.models, 1, deadline_s=0.25)

    _, request = next(Client(Share(load)).choices)

    assert request.headers[TIMEOUT_HEADER] == "250"
    assert TIMEOUT_HEADER not in next(Client(Share(LOAD)).choices)[1].headers


def test_an_api_key_is_shown_with_every_request_and_in_no_report() -> None:
    load = replace(LOAD, api_key="secret")
    _, request = next(Client(Share(load)).choices)
    assert request.headers["x-api-key"] == "secret"
    assert "secret" not in f"{load!r} {load}"
