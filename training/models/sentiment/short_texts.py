"""What a sentiment model does with short texts, and when it warns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.core.prediction import predict
from training.datasets.imdb import Reviews
from training.models.sentiment.caution import Caution
from training.models.sentiment.checklist import write_checks
from training.models.sentiment.languages import SENTENCES as FOREIGN
from training.models.sentiment.model import as_strings
from training.models.sentiment.probes import PROBES
from training.models.sentiment.short_sentences import SENTENCES

Answers = Mapping[str, npt.NDArray[Any]]


class Classifies(Protocol):
    """What answers texts: a model in training, or one that was written."""

    def classify(self, text: Any) -> Mapping[str, Any]:
        """(rows,) string to output → (rows,)."""


def measure_short(model: Classifies, caution: Caution) -> dict[str, Any]:
    """Ask everything that is short: the forty, the two hundred, the templates."""
    return {
        "short_sentences": measure_sentences(model),
        "probes": measure_probes(model, caution),
        "checklist": measure_checks(model),
        "other_languages": measure_languages(model, caution),
    }


def measure_sentences(model: Classifies) -> dict[str, Any]:
    """Ask the forty sentences, and say which were answered wrongly."""
    answers = ask(model, [text for text, _ in SENTENCES])
    given = answers["probability"]
    correct = (given > 0.5) == np.array([label for _, label in SENTENCES])
    return {
        "what": "forty sentences with negation and contrast, labelled by hand before "
        "any model answered them; what version 1 had wrong of them was known to who "
        "wrote the made-up sentences of later ones",
        "accuracy": round(float(correct.mean()), 4),
        "rows": len(SENTENCES),
        "wrong": {
            SENTENCES[row][0]: round(float(given[row]), 3)
            for row in np.nonzero(~correct)[0]
        },
    }


def measure_probes(model: Classifies, caution: Caution) -> dict[str, Any]:
    """Ask the two hundred; what was wrong is not listed, lest somebody tune on it."""
    rows = [
        (kind, text, label)
        for kind, texts in PROBES.items()
        for text, label in texts.items()
    ]
    answers = ask(model, [text for _, text, _ in rows])
    correct = (answers["probability"] > 0.5) == np.array([row[2] for row in rows])
    warned = caution.is_unsure(answers["probability"]) | is_strange(caution, answers)
    return {
        "what": "two hundred short texts, written before this version was trained, "
        "not seen by training, nor by who wrote the made-up sentences for it",
        "accuracy": round(float(correct.mean()), 4),
        "rows": len(rows),
        "right_by_kind": _count_by([row[0] for row in rows], correct),
        "warned": int(warned.sum()),
        "right_of_those_warned": int(correct[warned].sum()),
    }


def measure_checks(model: Classifies) -> dict[str, Any]:
    """Ask the templates of `checklist`."""
    checks = list(write_checks())
    probability = ask(model, [text for _, text, _ in checks])["probability"]
    correct = (probability > 0.5) == np.array([label for _, _, label in checks])
    return {
        "what": "made-up sentences of frames and words that training did not have",
        "accuracy": round(float(correct.mean()), 4),
        "rows": len(checks),
        "right_by_capability": _count_by([each for each, _, _ in checks], correct),
    }


def measure_languages(model: Classifies, caution: Caution) -> dict[str, Any]:
    """Ask sentences that are not English: all of them should be warned of."""
    rows = [(name, text) for name, texts in FOREIGN.items() for text in texts]
    answers = ask(model, [text for _, text in rows])
    strange = is_strange(caution, answers)
    warned = strange | caution.is_unsure(answers["probability"])
    return {
        "rows": len(rows),
        "called_hardly_english": int(strange.sum()),
        "warned": int(warned.sum()),
        "not_warned_by_language": {
            name: int(count)
            for name, count in _count_missing([row[0] for row in rows], warned).items()
        },
    }


def measure_warnings(
    caution: Caution, reviews: Reviews, answers: Answers
) -> dict[str, Any]:
    """How often reviews are warned of, and how often those are told rightly."""
    correct = (answers["probability"] > 0.5) == reviews.labels
    unsure, strange = (
        caution.is_unsure(answers["probability"]),
        is_strange(caution, answers),
    )
    return {
        "test_unsure": round(float(unsure.mean()), 5),
        "test_right_where_unsure": round(float(correct[unsure].mean()), 4)
        if unsure.any()
        else None,
        "test_right_where_sure": round(float(correct[~unsure].mean()), 4),
        "test_called_hardly_english": round(float(strange.mean()), 5),
    }


def is_strange(caution: Caution, answers: Answers) -> npt.NDArray[np.bool_]:
    """(rows,) bool, whether texts are called hardly English."""
    words = answers["known_words"] + answers["unknown_tokens"]
    strange = caution.is_strange(words, answers["familiarity"])
    nothing: npt.NDArray[np.bool_] = (answers["known_words"] == 0) | strange
    return nothing


def ask(model: Classifies, texts: Sequence[str]) -> Answers:
    """Output → (rows,) of texts."""
    rows = as_strings([text.encode() for text in texts])
    return predict(model.classify, {"text": rows}, 32)


def _count_by(
    names: Iterable[str], correct: npt.NDArray[np.bool_]
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, right in zip(names, correct, strict=True):
        entry = found.setdefault(name, {"right": 0, "rows": 0})
        entry["right"] += int(right)
        entry["rows"] += 1
    return found


def _count_missing(
    names: Iterable[str], warned: npt.NDArray[np.bool_]
) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, given in zip(names, warned, strict=True):
        if not given:
            found[name] = found.get(name, 0) + 1
    return found
