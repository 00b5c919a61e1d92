"""Texts that nobody has written, by a model that only declares how it writes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.contract.signature import Signature, TensorSpec
from service.contract.table import TaskError
from service.contract.task import TextGeneration, check_task
from service.tasks.alphabet import Alphabet
from tests.engine.texts.crowd import SIGNATURES
from tests.models.predicting import Application, accepted, refused
from tests.tasks.writers import TASK, compose, write_letters

PATH = "/v1/generate/letter"
EVENTS = {"accept": "text/event-stream"}


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    write_letters(artifacts)
    plain: dict[str, Any] = {
        "writes": None,
        "control": None,
        "examples": [],
        "stop": "z",
    }
    write_letters(artifacts, "plain", **plain)
    started = Application(artifacts, max_text_characters=5000)
    yield started
    started.close()


def read_events(content: str) -> list[tuple[str, dict[str, Any]]]:
    """The name and the data of each event of a stream."""
    found = []
    for block in content.split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((lines.get("event", "message"), json.loads(lines["data"])))
    return found


def test_a_text_follows_its_prompt_its_mood_and_its_seed(letters: Application) -> None:
    body = {"prompt": "dear", "mood": "unkind", "length": 50, "seed": 3, "count": 2}
    answer = accepted(letters.ask(PATH, json=body))
    facts = {"model": "scribe", "version": 1, "seed": 3, "temperature": 0.7}
    assert answer == {
        **facts,
        "mood": "unkind",
        "texts": [
            {
                "text": compose(
                    prompt="dear", mood="unkind", length=50, seed=3, index=index
                ),
                "finish_reason": "length",
            }
            for index in range(2)
        ],
    }


def test_what_is_left_out_is_as_declared_and_said(letters: Application) -> None:
    answer = accepted(letters.ask(PATH))
    (found,) = answer["texts"]
    assert answer["mood"] == "kind"
    assert found["text"] == compose(seed=answer["seed"])
    again = accepted(letters.ask(PATH, json={"seed": answer["seed"]}))
    assert again == answer


def test_the_same_texts_come_in_a_crowd(letters: Application) -> None:
    bodies = [{"seed": seed, "length": 20 + seed} for seed in range(12)]
    crowd = letters.ask_all([(PATH, {"json": body}) for body in bodies])
    alone = [letters.ask(PATH, json=body) for body in bodies]
    assert [each.content for each in crowd] == [each.content for each in alone]


def test_temperature_and_top_k_choose_what_is_usual(letters: Application) -> None:
    def ask(**body: Any) -> str:
        (found,) = accepted(letters.ask(PATH, json=body))["texts"]
        return str(found["text"])

    usual = ask(temperature=0, seed=1)
    assert usual == ask(temperature=0, seed=2) == ask(top_k=1, seed=3)
    wild = ask(temperature=2, top_k=3, seed=1)
    assert wild == compose(temperature=2, top_k=3, seed=1) != usual


def test_other_characters_are_replaced_as_declared(letters: Application) -> None:
    texts = [
        accepted(letters.ask(PATH, json={"prompt": prompt, "seed": 1}))["texts"]
        for prompt in ("Wé…’", "we...")
    ]
    assert texts[0] == texts[1]


def test_the_description_says_which_characters_it_knows() -> None:
    symbols = "abew\n]\\^-[$."
    task = TextGeneration.model_validate({**TASK, "symbols": symbols, "examples": []})
    alphabet = Alphabet(task)
    for code in range(0x2100):
        character = chr(code)
        is_known = character in symbols or character in task.replacements
        assert bool(re.search(alphabet.pattern, f"a{character}b")) == is_known, code


def test_events_tell_the_text_as_it_is_written(letters: Application) -> None:
    body = {"prompt": "dear", "length": 30, "seed": 3, "count": 2}
    answer = letters.ask(PATH, json=body, headers=EVENTS)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    (kind, facts), *events, last = read_events(answer.text)
    whole = accepted(letters.ask(PATH, json=body))
    assert (kind, facts | {"texts": whole["texts"]}) == ("start", whole)
    assert last == ("end", {})
    for index, text in enumerate(whole["texts"]):
        pieces = [
            told["text"]
            for kind, told in events
            if kind == "message" and told["index"] == index
        ]
        assert "".join(pieces) == text["text"]
        assert len(pieces) >= 1
        assert ("finish", {"index": index, "finish_reason": "length"}) in events


def test_a_model_without_a_mood_writes_under_its_own_name(letters: Application) -> None:
    answer = accepted(letters.ask("/v1/generate/plain", json={"seed": 8}))
    assert answer.keys() == {"model", "version", "seed", "temperature", "texts"}
    (found,) = answer["texts"]
    assert found["finish_reason"] in ("stop", "length")
    assert "z" not in found["text"]
    refused(
        letters.ask("/v1/generate/plain", json={"mood": "kind"}), 422, "invalid_input"
    )


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"prompt": "dear ß"}, 400, "unknown_symbol", "'ß' (U+00DF) as character 6"),
        ({"prompt": "\u0000"}, 400, "unknown_symbol", "(U+0000) as character 1"),
        ({"prompt": "….…….…"}, 422, "invalid_input", "at most 12 characters, received"),
        ({"prompt": "a" * 13}, 422, "invalid_input", "at most 12 characters"),
        ({"prompt": 7}, 422, "invalid_input", "expected text"),
        ({"length": 0}, 422, "invalid_input", "greater than or equal to 1"),
        ({"length": 10**9}, 422, "invalid_input", "less than or equal to 2000"),
        ({"length": 10**90}, 422, "invalid_input", "length"),
        ({"length": 1.5}, 422, "invalid_input", "a valid integer"),
        ({"length": 2000, "count": 3}, 413, "too_many_rows", "received 3 × 2,000"),
        ({"count": 0}, 422, "invalid_input", "greater than or equal to 1"),
        ({"count": 65}, 422, "invalid_input", "less than or equal to 64"),
        ({"temperature": -0.1}, 422, "invalid_input", "greater than or equal to 0"),
        ({"temperature": 2.1}, 422, "invalid_input", "less than or equal to 2"),
        ({"top_k": 0}, 422, "invalid_input", "greater than or equal to 1"),
        ({"top_k": 99}, 422, "invalid_input", "less than or equal to 29"),
        ({"seed": -1}, 422, "invalid_input", "greater than or equal to 0"),
        ({"seed": 2**32}, 422, "invalid_input", "less than or equal to 4294967295"),
        ({"mood": "kinder"}, 422, "invalid_input", "one of unkind, kind; received"),
        ({"moood": "kind"}, 422, "invalid_input", "did you mean"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, EVENTS], ids=["whole", "streamed"])
def test_what_cannot_be_written_is_refused(
    letters: Application, headers: Any, body: Any, status: int, code: str, words: str
) -> None:
    answer = letters.ask(PATH, json=body, headers=headers)
    assert words in refused(answer, status, code)


def test_a_body_that_is_no_json_is_refused(letters: Application) -> None:
    json_kind = {"content-type": "application/json"}
    answer = letters.ask(PATH, content=b"{", headers=json_kind)
    refused(answer, 400, "malformed_body")
    answer = letters.ask(PATH, content=b"dear", headers={"content-type": "text/plain"})
    refused(answer, 415, "unsupported_media_type")
    refused(letters.ask(PATH, headers={"accept": "image/png"}), 406, "not_acceptable")


def test_a_deadline_is_kept(letters: Application) -> None:
    headers = {"x-request-timeout-ms": "1"}
    answer = letters.ask(PATH, json={"length": 2000}, headers=headers)
    refused(answer, 504, "deadline_exceeded")


def test_the_models_own_name_answers_too(letters: Application) -> None:
    named, written = (
        letters.ask(path, json={"seed": 1}) for path in ("/v1/generate/scribe", PATH)
    )
    assert named.content == written.content
    said = refused(letters.ask("/v1/predict/scribe", json={}), 404, "not_found")
    assert "expected POST /v1/generate/letter" in said
    refused(letters.ask("/v1/generate/poem", json={}), 404, "model_not_found")


def test_it_is_described_with_an_example_that_works(letters: Application) -> None:
    paths = letters.get("/openapi.json").json()["paths"]
    operation = paths[PATH]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    fields = content["schema"]["properties"]
    assert fields["mood"]["anyOf"][0]["enum"] == ["unkind", "kind"]
    assert fields["length"]["maximum"] == 2000
    assert "text/event-stream" in operation["responses"]["200"]["content"]
    for path in (PATH, "/v1/generate/plain"):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        accepted(letters.ask(path, json=content["example"]))
    assert "/v1/generate/scribe" not in paths


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"symbols": "aba"}, "each symbol once"),
        ({"stop": "!"}, "a symbol as stop"),
        ({"replacements": {"é": "!"}}, "by symbols, received 'é' by '!'"),
        ({"replacements": {"a": "b"}}, "no symbols by symbols"),
        ({"default_length": 2001}, "at most 2000"),
        ({"control": {"name": "seed", "words": ["a", "b"], "default": "a"}}, "another"),
        ({"control": {"name": "mood", "words": ["a", "b"], "default": "c"}}, "default"),
        ({"logit_unit": 0}, "greater than 0"),
    ],
)  # fmt: skip
def test_a_declaration_that_makes_no_sense_is_refused(
    changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        TextGeneration.model_validate({**TASK, **changed})


def change(
    signature: str, side: str, name: str, **changed: Any
) -> dict[str, Signature]:
    """The signatures, with one tensor of another form; without it, if none is said."""
    kept = getattr(SIGNATURES[signature], side)
    tensors: list[TensorSpec] = [
        each.model_copy(update=changed) if each.name == name else each
        for each in kept
        if changed or each.name != name
    ]
    update = {side: tuple(tensors)}
    return {**SIGNATURES, signature: SIGNATURES[signature].model_copy(update=update)}


@pytest.mark.parametrize(
    ("signatures", "words"),
    [
        ({}, "expected signatures 'read' and 'step', received none"),
        ({"read": SIGNATURES["read"]}, "received read"),
        (change("read", "inputs", "prompt", shape=(None, 9)), "prompt int32 (any, 12)"),
        (change("read", "inputs", "control"), "inputs of read control int32"),
        (change("read", "outputs", "state"), "an output state"),
        (change("read", "outputs", "state", shape=(None, None)), "an output state"),
        (change("read", "outputs", "state", shape=(None, 2**19)), "1,048,576 bytes"),
        (change("step", "inputs", "state", dtype="float32"), "inputs of step control"),
        (change("step", "inputs", "symbol", dtype="int64"), "symbol int32 (any)"),
        (change("step", "outputs", "logits", dtype="float32"), "outputs of step"),
        (change("step", "outputs", "logits", shape=(None, 7)), "int32 (any, 29)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_declaration_of_what_cannot_write_is_refused(
    signatures: dict[str, Signature], words: str
) -> None:
    task = TextGeneration.model_validate(TASK)
    with pytest.raises(TaskError) as caught:
        check_task(task, signatures, ())
    assert words in str(caught.value)


def test_a_text_is_written_alike_after_a_restart(tmp_path: Path) -> None:
    write_letters(tmp_path)
    texts = []
    for _ in range(2):
        application = Application(tmp_path)
        texts.append(application.ask(PATH, json={"seed": 4, "count": 3}).content)
        application.close()
    assert texts[0] == texts[1]
