"""Templates that a sentiment model has to pass before it is published.

Ribeiro, Wu, Guestrin and Singh, "Beyond accuracy: behavioral testing of NLP models with
CheckList", 2020: a capability a group, a template a phenomenon. No frame here is one
that training has, and no word of opinion: those are of the lexicon's part `GATE`, which
the model has met in reviews only.
"""

from collections.abc import Iterator

import numpy as np

from training.models.sentiment.lexicon import GATE
from training.models.sentiment.made_up import Writer, frames

CAPABILITIES: dict[str, tuple[str, ...]] = {
    "words": frames("""
{adjective}
"{adjective}"
{adjective} throughout.
an altogether {adjective} {thing}.
such a {adjective} {thing}!
i came out thinking how {adjective} it was.
"""),
    "negation": frames("""
i would never describe this as {no_adjective}.
at no point is it {no_adjective}.
this is not what i would call {no_adjective}.
it did not strike me as {no_adjective}.
you will not find it {no_adjective}.
no one will find this {no_adjective}.
it wasn't, in any sense, {no_adjective}.
the {thing}? not {no_adjective}.
rarely {no_adjective}.
there was never anything {no_adjective} in the {thing}.
"""),
    "contrast": frames("""
the {thing} may be {no_adjective}, but overall it is {adjective}.
it starts {no_adjective} and becomes {adjective}.
yes, the {thing} is {no_adjective}; the film is still {adjective}.
for all its {no_adjective} {thing}, this is {adjective}.
i feared it would be {no_adjective} and found it {adjective}.
some call it {no_adjective}; to me it is {adjective}.
"""),
}
EACH = 12  # sentences of a frame, half of them likes


def write_checks() -> Iterator[tuple[str, str, int]]:
    """Give capability, sentence and label of every check, always the same."""
    writer = Writer(GATE, np.random.default_rng(20))
    for capability, templates in CAPABILITIES.items():
        for frame in templates:
            for number in range(EACH):
                label = number % 2
                yield capability, writer.fill(frame, label), label
