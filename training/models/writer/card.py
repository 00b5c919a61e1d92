"""What the writer says of itself, the samples that it carries, and what it is asked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from servery.saved_model import Arrays
from service.contract.manifest import Training
from service.contract.task import Example, TextControl, TextGeneration
from training.core.export import Card
from training.models.writer.alphabet import REPLACEMENTS, STOP, SYMBOLS, encode
from training.models.writer.corpus import MOODS
from training.models.writer.graph import WriterGraph
from training.models.writer.whole_numbers import LOGIT_STEPS
from training.models.writer.writing import lay_out
from training.plots import classification as plots

MAX_PROMPT = 200
MAX_LENGTH = 2_000
BATCH_SIZES = (1, 2, 4, 8, 16, 32)

PROMPTS = (  # ours, and nobody's review
    "",
    "the film",
    "i saw it with my sister and",
    "what a waste of a good actor, ",
    "the first half hour is slow, but",
    "8/10 for the music alone. ",
    '"why did they film this?", i asked myself when',
    "if you liked the book",
    "an old man, a dog and a lighthouse: ",
    "i have never laughed so much",
    "there are 3 reasons to stay at home: (1)",
    "the dialogue sounds as if",
    "she plays the queen, and she",
    "nobody told me that it is a musical!",
    "my children fell asleep after ten minutes; ",
    "black & white, 90 minutes, hardly a word",
)


def draw_samples(graph: WriterGraph) -> tuple[Arrays, Arrays]:
    """Inputs of `read` and of `step`, to compare the written graph with this one by.

    Every prompt in both moods; and every text so begun, one symbol further.
    """
    numbers = [encode(prompt).astype(np.int32) for prompt in PROMPTS]
    prompt = np.tile(lay_out(numbers, graph.max_prompt), (len(MOODS), 1))
    control = np.repeat(np.arange(len(MOODS), dtype=np.int32), len(PROMPTS))
    given = tf.function(graph.read, autograph=False)(
        prompt=tf.constant(prompt), control=tf.constant(control)
    )
    symbol = given["logits"].numpy().argmax(axis=1).astype(np.int32)
    steps = {"symbol": symbol, "state": given["state"].numpy(), "control": control}
    return {"prompt": prompt, "control": control}, steps


def draw_reports(history: Mapping[str, list[float]]) -> dict[str, bytes]:
    """Draw how the training went: file name → PNG."""
    return {"learning_curves.png": plots.draw_learning_curves(history)}


def list_examples() -> tuple[Example, ...]:
    """Requests that the page shows and that load tests send, long and short ones."""
    shown = Example(
        title="A kind review, from the same seed always the same",
        request={"mood": "kind", "prompt": "the film", "seed": 7, "length": 300},
    )
    unkind = Example(
        title="An unkind one of the same film",
        request={"mood": "unkind", "prompt": "the film", "seed": 7, "length": 300},
    )
    others = (
        Example(
            title=f"{mood.capitalize()}, {length} characters: {prompt.strip() or '…'}",
            request={
                "mood": mood,
                "prompt": prompt,
                "seed": number,
                "length": length,
            },
        )
        for number, prompt in enumerate(PROMPTS[2:10])
        for mood, length in ((MOODS[number % 2], (60, 120, 240, 480)[number // 2]),)
    )
    return (shown, unkind, *others)


def describe(ran: Training, metrics: Mapping[str, Any]) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    bits, ngrams = metrics["test"]["bits"], metrics["ngrams"]["bits"]
    agreement = metrics["agreement"]
    return Card(
        name="writer",
        task=TextGeneration(
            writes="review",
            symbols=SYMBOLS,
            replacements=REPLACEMENTS,
            stop=STOP,
            control=TextControl(name="mood", words=MOODS, default="kind"),
            max_prompt=MAX_PROMPT,
            max_length=MAX_LENGTH,
            default_length=300,
            default_temperature=0.7,
            logit_unit=1 / LOGIT_STEPS,
            examples=list_examples(),
        ),
        description=(
            "Writes film reviews in English, letter by letter, kind or unkind: one "
            "LSTM layer over 62 symbols, in whole numbers, so that the same seed gives "
            f"the same text in any company. {bits:.3f} bits a character on reviews of "
            f"the test half; counts of up to seven characters have {ngrams:.3f}. What "
            "it writes is pushed away from the other mood. The "
            f"sentiment model finds the mood that was asked for in "
            f"{agreement['share']:.1%} ± {agreement['standard_error']:.1%} of "
            f"{agreement['texts']:,} texts of up to 300 characters at temperature 0.7."
        ),
        intended_use=(
            "Teaching and trying out how a text is written from a network, and filling "
            "a page while it is built. Never as anybody's opinion of a real film."
        ),
        limits=describe_limits(metrics),
        labels=(),
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
    )


def describe_limits(metrics: Mapping[str, Any]) -> str:
    """The error rates in plain words, and who is treated worse."""
    moods, copied = metrics["agreement"]["by_mood"], metrics["copied"]
    worse = min(moods, key=lambda name: float(moods[name]))
    better = max(moods, key=lambda name: float(moods[name]))
    by_length = metrics["agreement_by_length"]
    lengths = ", ".join(
        f"{1 - figures['share']:.1%} of texts of up to {length} characters"
        for length, figures in by_length.items()
    )
    words = metrics["words"]
    reviews = metrics["test"]["by_length"]
    harder = max(reviews, key=lambda name: float(reviews[name]["bits"]))
    kinds = metrics["test"]["by_mood"]
    told = ", ".join(f"{kinds[name]['bits']:.3f} for {name} ones" for name in kinds)
    return (
        f"It misses the mood in {1 - metrics['agreement']['share']:.1%} of texts of up "
        "to 300 characters, as the sentiment model reads them, which itself is wrong "
        f"about one review in twelve: {1 - moods[worse]:.1%} of those asked to be "
        f"{worse}, {1 - moods[better]:.1%} of those asked to be {better}; {lengths}. "
        "It knows letters, words and how a sentence goes, and nothing of films: what "
        "it says is invented, of actors and directors who are real too, and can be "
        "rude or make no sense. "
        f"{1 - words['known']:.1%} of its words stand in no review that it learnt "
        f"from. The longest run of characters that it copied from one, in "
        f"{copied['texts']:,} texts, is {copied['longest']}. Small letters only, no "
        "paragraphs, English only; learnt from IMDB's users before 2011, who liked "
        "their film clearly or clearly did not. It tells reviews of "
        f"{harder} characters worst ({reviews[harder]['bits']:.3f} bits a character); "
        f"by mood: {told}."
    )
