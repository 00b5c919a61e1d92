"""Made-up sentences of negation, contrast, single words and emoji, with their labels.

A frame has slots. One with a bare name takes a word of the label that the sentence is
to have, one with `no_` a word of the other: `not {no_adjective} at all` makes "not bad
at all" a like and "not good at all" a dislike. So both labels come about alike, and no
word but the negation tells them apart. Reviews have too few of these: a model of
reviews alone takes "Far from disappointing." for a dislike.
"""

import re
from dataclasses import dataclass

import numpy as np

from training.models.sentiment import lexicon
from training.models.sentiment.kept_out import is_measured
from training.models.sentiment.lexicon import Polar, split_polar

NEUTRAL_SHARE, WORD_SHARE, EMOJI_SHARE, CONTRAST_SHARE = 0.06, 0.14, 0.12, 0.22
_SLOT = re.compile(r"\{(no_)?(\w+)\}")

PLAIN = """
{adjective}
{very} {adjective}
{adjective} {thing}
the {thing} is {adjective}
the {thing} was {very} {adjective}
it is {adjective}
it's {very} {adjective}
what a {noun}
what a {adjective} {thing}
a {noun}
a {adjective} and {adjective} {thing}
{adjective} , {adjective} and {adjective}
this is a {noun} from start to finish
i {liked} it
i {liked} the {thing}
we {liked} every minute of it
i {moment}
i {like} this {thing}
full of {quality}
it has a lot of {quality}
one of the most {adjective} films i have seen
i found it {adjective}
simply {adjective}
"""

NEGATION = """
not {no_adjective}
not {no_adjective} at all
not {very} {no_adjective}
not at all {no_adjective}
it is not {no_adjective}
it isn't {no_adjective}
it's not {no_adjective} at all
the {thing} is not {no_adjective}
the {thing} was not {no_adjective}
the {thing} wasn't {no_adjective}
the {thing} wasn't {no_adjective} at all
the {thing} is never {no_adjective}
never {no_adjective}
it is never {no_adjective}
never once {no_adjective}
hardly {no_adjective}
it was hardly {no_adjective}
hardly a {no_noun}
far from {no_adjective}
it is far from {no_adjective}
the {thing} is far from {no_adjective}
far from being a {no_noun}
anything but {no_adjective}
this was anything but {no_adjective}
anything but a {no_noun}
by no means {no_adjective}
it is by no means a {no_noun}
in no way {no_adjective}
neither {no_adjective} nor {no_adjective}
the {thing} is neither {no_adjective} nor {no_adjective}
nothing {no_adjective} about it
there is nothing {no_adjective} about the {thing}
there was nothing {no_adjective} in it
there isn't a {no_adjective} moment in it
not one {no_adjective} scene
not a single {no_adjective} moment
without a {no_adjective} moment
no {no_quality}
no {no_quality} , no {no_quality}
there is no {no_quality} in this film
without any {no_quality}
free of {no_quality}
it lacks {no_quality}
i didn't {no_like} it
i did not {no_like} it
i didn't {no_like} this {thing} at all
i don't {no_like} it
i do not {no_like} the {thing}
i can't {no_like} it
i never {no_liked} it
nobody could {no_like} it
i wouldn't call it {no_adjective}
i would not say that it is {no_adjective}
i can't say that i {no_liked} it
you can't call this {no_adjective}
i don't think it is {no_adjective}
i don't think the {thing} was {no_adjective}
nobody can say that it is {no_adjective}
it's no {no_noun}
this is no {no_noun}
not a {no_noun}
it was not a {no_noun}
it wasn't a {no_noun} at all
not the {no_noun} i expected
it isn't the least bit {no_adjective}
not {no_adjective} in the least
less {no_adjective} than i thought
nowhere near as {no_adjective} as they say
not as {no_adjective} as i expected
it isn't really {no_adjective}
it is not really {no_adjective}
not really {no_adjective}
not exactly {no_adjective}
not particularly {no_adjective}
not that {no_adjective}
not so {no_adjective}
not remotely {no_adjective}
not even remotely {no_adjective}
that is not {no_adjective}
it doesn't feel {no_adjective}
it never feels {no_adjective}
it didn't seem {no_adjective}
the {thing} doesn't look {no_adjective}
it is seldom {no_adjective}
barely {no_adjective}
it is barely {no_adjective}
scarcely {no_adjective}
no one would call this {no_adjective}
it can't be called {no_adjective}
you could hardly call it {no_adjective}
i did not find it {no_adjective}
i didn't find the {thing} {no_adjective}
i didn't think it was {no_adjective}
i never found it {no_adjective}
nobody will find it {no_adjective}
there was never a {no_adjective} moment
i saw nothing {no_adjective} in it
it has no {no_quality}
it has little {no_quality}
there wasn't any {no_quality}
you won't find any {no_quality} here
devoid of {no_quality}
without a trace of {no_quality}
not much {no_quality} here
we didn't {no_like} any of it
nobody {no_liked} it
none of us {no_liked} it
i don't know anybody who {no_liked} it
i wouldn't say i {no_liked} it
"""

CONTRAST = """
{no_adjective} at first , but {adjective} in the end
{no_adjective} , but {adjective}
not {no_adjective} , but {adjective}
not {no_adjective} . {adjective}
not only {adjective} but also {adjective}
{no_clause} , but {clause}
{no_clause} but {clause}
{no_clause} . but {clause}
{no_clause} , yet {clause}
{no_clause} . still , {clause}
{no_clause} . however , {clause}
{no_clause} , but i {liked} it
although {no_clause} , {clause}
though {no_clause} , {clause}
even though {no_clause} , {clause}
while {no_clause} , {clause}
{clause} , although {no_clause}
{clause} , even though {no_clause}
{clause} despite the {no_adjective} {thing}
despite the {no_adjective} {thing} , {clause}
despite {no_quality} , {clause}
in spite of the {no_adjective} {thing} , i {liked} it
in spite of {no_quality} , the film is {adjective}
i expected it to be {no_adjective} , but it was {adjective}
i expected a {no_noun} and got a {noun}
i thought it would be {no_adjective} . it was {adjective}
i thought it would be {no_adjective} . i was wrong
everybody says it is {no_adjective} . i {liked} it
my friends {no_liked} it . i {liked} it
the critics called it {no_adjective} , i call it {adjective}
they say it is {no_adjective} . not true : it is {adjective}
more {adjective} than {no_adjective}
so {adjective} that i forgave the {no_adjective} {thing}
the {thing} is {no_adjective} , the {thing} too , but the film is {adjective}
it has {no_quality} , but it is {adjective}
a {no_adjective} {thing} in an otherwise {adjective} film
if you ignore the {no_adjective} {thing} , it is {adjective}
"""

ONLY_GOOD = """
i couldn't stop laughing
i could not look away
i couldn't stop watching
i never looked at my watch
i didn't want it to end
i wish it had been longer
it could not have been better
it doesn't get any better than this
i can't get enough of it
you can't go wrong with it
you won't regret it
you will not be disappointed
i was not disappointed
i was never bored
it never gets boring
it never drags
nothing could be better
i can't recommend it enough
i have no complaints
nothing to complain about
don't miss it
not to be missed
a film you must not miss
i have never laughed so hard
never a dull moment
i have never seen a more {adjective} film
there is nothing not to like
it's impossible not to {like} it
it won't leave you cold
better than i expected
so much better than the first
i wouldn't change a thing
worth every minute
worth seeing
buy it
go and see it
ten out of ten
10/10
9/10
two thumbs up
"""

ONLY_BAD = """
i couldn't wait for it to be over
i could not finish it
i couldn't sit through it
i didn't laugh once
i never laughed
it never gets going
it goes nowhere
it doesn't work
nothing works
nothing happens
nothing makes sense
it makes no sense
i couldn't care less
i didn't care about anybody
nobody cares
don't waste your time
don't waste your money
don't bother with it
do not watch this
avoid
avoid it
save your money
stay away
not worth the money
not worth seeing
not worth watching
not even {no_adjective}
it could have been {no_adjective}
it could have been so much better
it should have been {no_adjective}
i wish it had been {no_adjective}
if only it were {no_adjective}
it tries to be {no_adjective} and fails
it wants to be {no_adjective} , but it isn't
it thinks it is {no_adjective}
supposed to be {no_adjective}
too {adjective} to be {no_adjective}
i wanted to {no_like} it , but i couldn't
i really wanted to {no_like} it
i have seen better
i have never been so bored
i have never seen a more {adjective} film
i expected more
worse than i expected
it couldn't be worse
it doesn't get any worse
they call this {no_adjective} ?
how could anybody {no_like} this ?
where is the {no_quality} ?
the only {no_adjective} thing is the end
zero stars
1/10
2/10
two thumbs down
"""


@dataclass(frozen=True, slots=True)
class Sentences:
    """Made-up texts and their labels.

    Attributes:
        texts: in UTF-8.
        labels: 1 = liking, 0 = disliking; of those that say neither, half and half.
    """

    texts: tuple[bytes, ...]
    labels: tuple[int, ...]


class Writer:
    """Fills frames with the words of one part of the lexicon.

    Args:
        part: `lexicon.TRAINING`, `FITTING` or `GATE`.
        random: chooses frames and words.
    """

    def __init__(self, part: str, random: np.random.Generator):
        self._random = random
        self._polar = {
            "adjective": split_polar(lexicon.ADJECTIVES, part),
            "noun": split_polar(lexicon.NOUNS, part),
            "quality": split_polar(lexicon.QUALITIES, part),
            "liked": lexicon.LIKED,
            "like": lexicon.LIKE,
            "moment": lexicon.MOMENTS,
            "clause": Polar((), ()),
        }
        self._others = {"thing": lexicon.THINGS, "very": lexicon.INTENSIFIERS}

    def sentence(self, label: int) -> str:
        """One of any kind, with some sign behind it or none."""
        drawn = self._random.random()
        if (drawn := drawn - NEUTRAL_SHARE) < 0:
            text = self.pick(lexicon.NEUTRAL)
        elif (drawn := drawn - WORD_SHARE) < 0:
            text = self.word(label)
        elif (drawn := drawn - EMOJI_SHARE) < 0:
            text = self.emoji(label)
        elif drawn < CONTRAST_SHARE:
            text = self.fill(self.pick(frames(CONTRAST)), label)
        else:
            only = ONLY_GOOD if label else ONLY_BAD
            some = self.pick((PLAIN, NEGATION, NEGATION, only))
            text = self.fill(self.pick(frames(some)), label)
        return text + self.pick(("", ".", ".", ".", "!", " !", "!!", "..."))

    def fill(self, frame: str, label: int) -> str:
        """Put words into the slots of a frame, so that it has the label."""

        def choose(slot: re.Match[str]) -> str:
            name = slot[2]
            if name in self._others:
                return self.pick(self._others[name])
            wanted = 1 - label if slot[1] else label
            if name == "clause":
                return self.clause(wanted)
            return self.pick(self._polar[name].of(wanted))

        return _SLOT.sub(choose, frame)

    def clause(self, label: int) -> str:
        """A short main clause; three in ten deny something."""
        denied = self._random.random() < 0.3
        frames = _CLAUSES_OF_NEGATION if denied else _CLAUSES
        return self.fill(self.pick(frames), label)

    def pick(self, choices: tuple[str, ...]) -> str:
        """One of them, all equally probable."""
        return choices[int(self._random.integers(len(choices)))]

    def word(self, label: int) -> str:
        """A word alone, perhaps with a sign behind it."""
        kind = self.pick(("adjective", "adjective", "adjective", "noun", "liked"))
        return self.pick(self._polar[kind].of(label))

    def emoji(self, label: int) -> str:
        """One to three emoji, half of them behind a few words that say as much."""
        signs = [self.pick(lexicon.EMOJI.of(label))] * int(self._random.integers(1, 4))
        if self._random.random() < 0.4:
            signs.append(self.pick(lexicon.EMOJI.of(label)))
        if self._random.random() < 0.4:
            before = self.pick((self.clause(label), self.pick(lexicon.NEUTRAL[:6])))
            return f"{before} {' '.join(signs)}"
        return " ".join(signs)


def frames(text: str) -> tuple[str, ...]:
    """One frame a line."""
    return tuple(text.strip().splitlines())


_CLAUSES = (
    "the {thing} is {adjective}",
    "the {thing} was {very} {adjective}",
    "it is {adjective}",
    "it was a {noun}",
    "i {liked} it",
    "i {liked} the {thing}",
    "it has {quality}",
    "i {moment}",
)
_CLAUSES_OF_NEGATION = (
    "the {thing} is not {no_adjective}",
    "it isn't {no_adjective}",
    "it is never {no_adjective}",
    "i didn't {no_like} it",
    "there is no {no_quality}",
)


def write_sentences(part: str, count: int, random: np.random.Generator) -> Sentences:
    """Write `count` sentences, as many likes as dislikes, and some that are neither.

    Args:
        part: of the lexicon; see `lexicon.split_words`.
        count: how many.
        random: decides all of it.
    """
    writer = Writer(part, random)
    texts: list[str] = []
    while len(texts) < count:
        text = writer.sentence(len(texts) % 2)
        if not is_measured(text):
            texts.append(text)
    labels = tuple(number % 2 for number in range(count))
    return Sentences(tuple(text.encode() for text in texts), labels)
