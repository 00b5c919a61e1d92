"""Texts as Hugging Face's text_generation asks for them, and is answered."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.models.predicting import Application, accepted
from tests.tasks.writers import compose, write_letters

PATH = "/hf/scribe"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    write_letters(artifacts)
    write_letters(artifacts, "plain", control=None, stop="z", writes=None)
    started = Application(artifacts, max_text_characters=3000)
    yield started
    started.close()


def ask(letters: Application, path: str = PATH, **body: Any) -> Any:
    (found,) = accepted(letters.ask(path, json={"inputs": "", **body}))
    return found


def events(content: str) -> list[dict[str, Any]]:
    return [json.loads(each[6:]) for each in content.split("\n\n")[:-1]]


def test_without_a_word_the_likeliest_is_written(letters: Application) -> None:
    usual = compose(prompt="dear", temperature=0, length=100)
    assert ask(letters, inputs="dear") == {"generated_text": usual}
    parameters = {"return_full_text": True, "max_new_tokens": 5, "top_p": 1.0}
    found = ask(letters, inputs="dear", parameters=parameters)
    assert found == {"generated_text": "dear" + usual[:5]}


@pytest.mark.parametrize(
    ("said", "drawn"),
    [
        ({"do_sample": True}, {"temperature": 1}),
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 1.0}, {"temperature": 0}),
        ({"top_k": 4}, {"temperature": 1, "top_k": 4}),
        ({"do_sample": True, "mood": "unkind"}, {"temperature": 1, "mood": "unkind"}),
        ({"do_sample": True, "truncate": 2}, {"temperature": 1, "prompt": "ar"}),
    ],
)
def test_what_is_drawn_is_drawn_by_its_seed(
    letters: Application, said: dict[str, Any], drawn: dict[str, Any]
) -> None:
    parameters = {"seed": 7, "max_new_tokens": 30, **said}
    found = ask(letters, inputs="dear", parameters=parameters)
    facts = {"prompt": "dear", "seed": 7, "length": 30, **drawn}
    assert found == {"generated_text": compose(**facts)}


def test_details_have_each_token_and_how_likely_it_was(letters: Application) -> None:
    parameters = {"details": True, "seed": 7, "max_new_tokens": 20, "do_sample": True}
    found = ask(letters, parameters=parameters)
    details = found["details"]
    assert (
        "".join(each["text"] for each in details["tokens"]) == found["generated_text"]
    )
    assert all(each["logprob"] < 0 for each in details["tokens"])
    facts = {"finish_reason": "length", "generated_tokens": 20, "seed": 7}
    assert facts.items() <= details.items()


def test_a_stop_sequence_ends_a_text_as_its_end(letters: Application) -> None:
    usual = compose(temperature=0, length=100)
    stop = usual[5:8]
    parameters = {"stop": [stop, "qqqq"], "details": True}
    found = ask(letters, parameters=parameters)
    assert found["generated_text"] == usual[: usual.index(stop) + 3]
    assert found["details"]["finish_reason"] == "stop_sequence"


def test_the_symbol_that_ends_a_text_is_a_token_without_text(
    letters: Application,
) -> None:
    body = {"inputs": "", "parameters": {"do_sample": True, "details": True, "seed": 1}}
    body["parameters"] |= {"max_new_tokens": 1000}  # type: ignore[operator]
    whole = ask(letters, "/hf/plain", **body)
    details = whole["details"]
    assert details["finish_reason"] == "eos_token"
    assert details["tokens"][-1]["special"]
    assert details["generated_tokens"] == len(whole["generated_text"]) + 1
    told = events(letters.ask("/hf/plain", json={**body, "stream": True}).text)
    assert [each["token"] for each in told] == details["tokens"]
    assert told[-1]["generated_text"] == whole["generated_text"]


def test_a_stream_has_an_event_for_each_token(letters: Application) -> None:
    body = {"inputs": "dear", "stream": True}
    parameters = {"seed": 2, "max_new_tokens": 25, "do_sample": True}
    answer = letters.ask(PATH, json={**body, "parameters": parameters})
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    text = compose(prompt="dear", seed=2, length=25, temperature=1)
    assert [each["token"]["text"] for each in told] == list(text)
    assert [each["index"] for each in told] == list(range(1, 26))
    assert all(each["generated_text"] is None for each in told[:-1])
    assert told[-1]["generated_text"] == text
    details = {"finish_reason": "length", "generated_tokens": 25, "seed": 2}
    assert told[-1]["details"] == {**details, "input_length": 4}


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        ({"inputs": "ß"}, 400, "validation", "inputs: expected characters"),
        ({"inputs": "x" * 13}, 422, "validation", "at most 12 characters"),
        ({"inputs": ["a"]}, 422, "validation", "inputs"),
        ({"parameters": {"max_new_tokens": 0}}, 422, "validation", "max_new_tokens"),
        ({"parameters": {"max_new_tokens": 10**9}}, 422, "validation", "at most 2,000"),
        ({"parameters": {"temperature": 0.0}}, 422, "validation", "greater than 0"),
        ({"parameters": {"top_p": 0.5}}, 422, "validation", "top_p: expected nothing"),
        ({"parameters": {"best_of": 3}}, 422, "validation", "best_of"),
        ({"parameters": {"stop": [""]}}, 422, "validation", "1 to 12 characters"),
        ({"parameters": {"stop": ["a"] * 5}}, 422, "validation", "at most 4"),
        ({"parameters": {"mood": "sad"}}, 422, "validation", "one of unkind, kind"),
        ({"parameters": {"size": 1}}, 422, "validation", "not permitted"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_told_with_its_type(
    letters: Application,
    *,
    stream: bool,
    body: dict[str, Any],
    status: int,
    kind: str,
    words: str,
) -> None:
    answer = letters.ask(PATH, json={"inputs": "", "stream": stream, **body})
    assert answer.status_code == status
    assert answer.json()["error_type"] == kind
    assert words in answer.json()["error"]


def test_a_deadline_has_a_type_too(letters: Application) -> None:
    body = {"inputs": "", "parameters": {"max_new_tokens": 2000}}
    answer = letters.ask(PATH, json=body, headers={"x-request-timeout-ms": "1"})
    assert answer.status_code == 504
    assert answer.json()["error_type"] == "incomplete_generation"
