"""Votes on their way in, parties on their way out, by the model that we ship."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from service.models.party.endpoint import EXAMPLE, PartyPrediction
from service.models.party.endpoint import VOTES as NAMES
from tests.models.predicting import Service
from training.datasets import votes as data_set

FREEZE = "physician-fee-freeze"
REPUBLICAN = {FREEZE: "yea", "el-salvador-aid": "yea", "education-spending": "yea"}
DEMOCRAT = {FREEZE: "nay", "el-salvador-aid": "nay", "education-spending": "nay"}


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service("party", tmp_path_factory.mktemp("artifacts"))
    yield service
    service.close()


def test_the_example_in_the_documentation_works(party: Service) -> None:
    response = party.post(EXAMPLE)

    assert response.status_code == 200
    (answered,) = response.json()["predictions"]
    prediction = PartyPrediction.model_validate(answered)
    assert prediction.party == "democrat"
    assert prediction.probability > 0.9
    assert prediction.votes[0].vote == FREEZE
    assert "warning" not in response.json()["predictions"][0]


def test_the_endpoint_and_the_model_agree_on_the_order_of_the_votes(
    party: Service,
) -> None:
    assert party.manifest.constants["votes"] == list(NAMES)


def test_members_are_answered_in_their_order(party: Service) -> None:
    parties = ["republican", "democrat", "democrat", "republican", "democrat"]
    members = [REPUBLICAN if name == "republican" else DEMOCRAT for name in parties]

    predictions = party.predict({"members": members})

    assert [each["party"] for each in predictions] == parties


def test_most_real_members_are_told_apart(party: Service) -> None:
    data = data_set.parse(data_set.BUNDLED.fetch(["votes.csv"])["votes.csv"])
    casts = {1: "yea", -1: "nay", 0: "unknown"}
    members = [
        {name: casts[int(code)] for name, code in zip(NAMES, row, strict=True)}
        for row in data.votes[:60]
    ]

    predictions = party.predict({"members": members})

    labels = [data_set.PARTIES.index(each["party"]) for each in predictions]
    assert np.mean(np.array(labels) == data.labels[:60]) > 0.93


def test_votes_that_spoke_spoke_for_the_answer_and_are_the_callers_own(
    party: Service,
) -> None:
    sent = REPUBLICAN | {"crime": "nay", "immigration": "unknown"}
    (prediction,) = party.predict({"votes": sent})

    weights = [vote["weight"] for vote in prediction["votes"]]
    assert 1 <= len(weights) <= 5
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0
    for vote in prediction["votes"]:
        assert vote["cast"] == sent[vote["vote"]] != "unknown"


def test_a_weight_is_the_change_of_the_log_odds_when_the_vote_is_unknown(
    party: Service,
) -> None:
    (known,) = party.predict({"votes": DEMOCRAT})
    (unknown,) = party.predict({"votes": DEMOCRAT | {FREEZE: "unknown"}})

    def log_odds(prediction: dict[str, Any]) -> float:
        share = prediction["probability"]
        return float(np.log(share / (1 - share)))

    weights = {vote["vote"]: vote["weight"] for vote in known["votes"]}
    assert weights[FREEZE] == pytest.approx(log_odds(known) - log_odds(unknown), 0.01)


def test_an_omitted_vote_is_an_unknown_one(party: Service) -> None:
    spelled = dict.fromkeys(NAMES, "unknown") | DEMOCRAT

    assert party.predict({"votes": DEMOCRAT}) == party.predict({"votes": spelled})


@pytest.mark.parametrize("votes", [{}, {"crime": "unknown"}], ids=["empty", "unknown"])
def test_with_no_vote_known_the_share_of_democrats_comes_with_a_warning(
    party: Service, votes: dict[str, str]
) -> None:
    (prediction,) = party.predict({"votes": votes})

    assert prediction["probability"] == pytest.approx(267 / 435, abs=1e-5)
    assert prediction["votes"] == []
    assert "no vote is known" in prediction["warning"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"votes": {"crime": "maybe"}}, "votes.crime", "nay or unknown, received 'may"),
        ({"votes": {"crime": True}}, "votes.crime", "received 'True'"),
        ({"votes": {"taxes": "yea"}}, "votes.taxes", "received 'taxes'"),
        ({"members": [{}, {"crime": 1}]}, "members.1.crime", "received '1'"),
        ({"members": []}, "members", "at least 1 item"),
        ({"votes": ["yea"] * 16}, "votes", "expected an object, received list"),
        ({}, "body", "either votes or members, received neither"),
        ({"votes": {}, "members": [{}]}, "body", "received both"),
        ({"vote": {}}, "vote", "not permitted"),
    ],
)
def test_bad_input_is_told_which_field_what_was_expected_and_what_came(
    party: Service, body: Any, field: str, said: str
) -> None:
    error = party.refuse(body)

    assert any(each["field"].startswith(field) for each in error["details"])
    assert said in error["error"] or said in str(error["details"])


def test_more_members_than_a_request_may_have_are_refused(party: Service) -> None:
    response = party.post({"members": [DEMOCRAT] * 65})

    assert response.status_code == 413
    assert "at most 64 rows, received 65" in response.json()["error"]


def test_a_body_that_is_no_json_is_malformed(party: Service) -> None:
    response = party.post(content=b'{"votes": {"crime": "yea"')

    assert response.status_code == 400
    assert response.json()["code"] == "malformed_body"
