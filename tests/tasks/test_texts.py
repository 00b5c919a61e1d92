"""Texts to classes."""

import pytest

from tests.models.predicting import Application, accepted, refused

PATH = "/v1/predict/shout"


def test_texts_become_labels_with_scores(application: Application) -> None:
    answer = accepted(application.ask(PATH, json={"texts": ["Hello.", "Help!"]}))
    calm, loud = answer["predictions"]
    assert (calm["label"], loud["label"]) == ("calm", "loud")
    assert calm["score"] == loud["score"] == pytest.approx(0.952574)


def test_a_text_may_come_as_it_is(application: Application) -> None:
    headers = {"content-type": "text/plain"}
    answer = accepted(application.ask(PATH, content="Hé!".encode(), headers=headers))
    assert answer["predictions"][0]["label"] == "loud"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "x" * 41}, "at most 40 characters, received 41"),
        ({"text": " "}, "expected words"),
        ({"text": 3}, "expected text"),
        ({"text": "a", "texts": ["b"]}, "received both"),
        ({"texts": []}, "at least 1 item"),
    ],
)
def test_bad_texts_are_told_what_was_expected(
    application: Application, body: dict[str, object], said: str
) -> None:
    assert said in refused(application.ask(PATH, json=body), 422, "invalid_input")
