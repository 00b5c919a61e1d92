"""The short texts by which the next sentiment model will be measured."""

from training.models.sentiment.probes import KIND, PROBES, UNKIND
from training.models.sentiment.short_sentences import SENTENCES


def test_two_hundred_texts_half_of_each_kind_are_kind() -> None:
    assert sum(map(len, PROBES.values())) == 200
    for texts in PROBES.values():
        labels = list(texts.values())
        assert labels.count(KIND) == labels.count(UNKIND)


def test_no_text_is_measured_twice() -> None:
    texts = [text for kind in PROBES.values() for text in kind]
    assert len(set(texts)) == len(texts)
    assert not {text for text, _ in SENTENCES} & set(texts)
