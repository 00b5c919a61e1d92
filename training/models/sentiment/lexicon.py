"""Words, emoji and things of which made-up sentences are made, liked and disliked.

Written by hand from general English, not from any list of others, and not with a look
at the texts that the model is measured by. `split_words` keeps some apart: no made-up
training sentence has them, so that the blend is fitted, and the gate in the tests
measures, on words whose polarity the model knows from reviews alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

TRAINING, FITTING, GATE = "training", "fitting", "gate"


@dataclass(frozen=True, slots=True)
class Polar:
    """Words of one kind, by what they say.

    Attributes:
        good: those of liking.
        bad: those of disliking.
    """

    good: tuple[str, ...]
    bad: tuple[str, ...]

    def of(self, label: int) -> tuple[str, ...]:
        """Those of a label, 1 = liking."""
        return self.good if label else self.bad


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("\n", " ").split(","))


ADJECTIVES = Polar(
    _words(
        "good, great, excellent, wonderful, brilliant, superb, fantastic, amazing,"
        "beautiful, funny, hilarious, moving, touching, charming, delightful, clever,"
        "smart, original, fresh, gripping, exciting, thrilling, engaging, entertaining,"
        "enjoyable, memorable, perfect, outstanding, stunning, lovely, fun,"
        "interesting,"
        "fascinating, convincing, believable, powerful, inspired, inspiring, witty,"
        "heartwarming, sweet, terrific, marvelous, masterful, impressive, captivating,"
        "compelling, solid, satisfying, magnificent, refreshing, unforgettable,"
        "riveting,"
        "splendid, awesome, likable, pleasant, worthwhile, subtle, intelligent,"
        "remarkable, exceptional, flawless, gorgeous, uplifting, fabulous, incredible,"
        "superior, absorbing, suspenseful, insightful, imaginative, thoughtful, honest,"
        "strong, first rate, top notch, well made, well acted, rewarding, irresistible,"
        "poignant, stylish, amusing, hypnotic, spectacular, spellbinding, tender, warm"
    ),
    _words(
        "bad, terrible, awful, horrible, dull, boring, stupid, poor, weak, lame, silly,"
        "tedious, pointless, dreadful, atrocious, pathetic, ridiculous, disappointing,"
        "predictable, forgettable, annoying, mediocre, unfunny, bland, flat, confusing,"
        "clumsy, shallow, lifeless, painful, unwatchable, uninteresting, unconvincing,"
        "laughable, irritating, messy, empty, contrived, derivative, pretentious,"
        "overrated, lousy, worthless, horrid, abysmal, amateurish, wooden, tiresome,"
        "dreary, insulting, incoherent, hollow, soulless, stale, crappy, dumb, inept,"
        "overlong, bloated, sloppy, tasteless, unbearable, miserable, nasty, idiotic,"
        "disgusting, appalling, ludicrous, depressing, ugly, cheap, hopeless, absurd,"
        "unimaginative, uninspired, poorly made, badly acted, second rate, repetitive,"
        "moronic, monotonous, senseless, embarrassing, cliched, vapid, plodding,"
        "wretched"
    ),
)
LIKED = Polar(
    _words("loved, liked, enjoyed, adored, admired, really liked, truly enjoyed"),
    _words("hated, disliked, loathed, despised, regretted, really hated, detested"),
)
LIKE = Polar(
    _words("love, like, enjoy, adore, admire, care for, recommend"),
    _words("hate, dislike, loathe, despise, regret, detest, resent"),
)
NOUNS = Polar(
    _words(
        "masterpiece, gem, classic, triumph, delight, joy, treat, pleasure, winner,"
        "success, feast, wonder, marvel, revelation, work of art, good film,"
        "great movie,"
        "must see, fine film, success"
    ),
    _words(
        "mess, disaster, failure, waste of time, bore, letdown, disappointment, flop,"
        "torture, chore, embarrassment, insult, catastrophe, fiasco, bad film,"
        "terrible movie, joke, piece of garbage, poor film, misfire, dud"
    ),
)
QUALITIES = Polar(
    _words(
        "charm, wit, heart, warmth, humor, magic, beauty, imagination, suspense,"
        "energy, talent, originality, depth, tension, passion, intelligence, style"
    ),
    _words(
        "boredom, nonsense, stupidity, cliches, plot holes, bad acting, bad jokes,"
        "clumsiness, bad dialogue, garbage, padding, mistakes, weaknesses, flaws"
    ),
)
MOMENTS = Polar(
    _words(
        "laughed out loud, was hooked, was moved to tears, had a great time,"
        "smiled all the way through, could watch it again, was glued to the screen,"
        "left the theater happy, was blown away, bought the dvd the next day,"
        "want to see it again, was pleasantly surprised, recommend it to everyone"
    ),
    _words(
        "fell asleep, walked out, was bored to death, switched it off, lost interest,"
        "kept checking my watch, want my money back, wasted my evening,"
        "had to force myself to finish it, was bored stiff, stopped watching,"
        "left the theater angry, want those two hours back, warn everyone about it"
    ),
)
_SMILEYS = Polar(
    (":)", ":-)", ";)", ";-)", "=)", ":d", "<3", ":p"), (":(", ":-(", ";(", "=(")
)
EMOJI = Polar(
    (
        *"😀😃😄😁😆😂🤣😊🙂😍🥰😘🤩😎🥳👍👏🙌❤♥💖💕💯🔥⭐🌟✨🎉🏆",
        *"💜💙💚🧡💛😋🤗😻👌💪🥹🤘😇",
        *_SMILEYS.good,
    ),
    (
        *"😞😟😠😡😢😭😒😔😕🙁☹😖😣😫😩😤🤮🤢👎💩😴🥱🙄😑😐💔😬🤬😱",
        *"🗑😪🤦😵🥴😾👿🤡🚫❌😓",
        *_SMILEYS.bad,
    ),
)
INTENSIFIERS = _words(
    "very, really, truly, quite, so, absolutely, just, rather, pretty"
)
THINGS = _words(
    "film, movie, story, plot, acting, script, music, ending, dialogue, direction,"
    "cast, photography, soundtrack, screenplay, first half, second half, pacing, camera"
    " work, whole thing, humor, lead actor, lead actress, main character, sequel"
)
NEUTRAL = _words(
    "film, movie, the, a, and, cinema, table, tuesday, actor, dvd, camera, london,"
    "scene,"
    "two hours long, it was made in france, the film is set in new york,"
    "it lasts ninety minutes, there are three actors in it, it stars two brothers,"
    "he plays a doctor, we saw it on sunday, this is a film about a dog,"
    "in the evening,"
    "the story takes place in a small town, it came out in 1994, she plays his sister,"
    "it is based on a book, part two, a man and a woman meet on a train, .,?,!,? !,! !,"
    ". . .,? ! ? !,? ?,and,of,it,them,1999,he,she,director,television,a film,"
    "it is a film"
)


def split_words(words: Iterable[str], part: str) -> tuple[str, ...]:
    """The words of one part: seven tenths are trained on, the rest split in halves.

    A word's part depends on its letters only.
    """
    shares: Mapping[str, range] = {
        TRAINING: range(14),
        FITTING: range(14, 17),
        GATE: range(17, 20),
    }
    return tuple(word for word in words if crc32(word.encode()) % 20 in shares[part])


def split_polar(words: Polar, part: str) -> Polar:
    """`split_words` of both sides; where one would be empty, all of that side."""
    good, bad = (split_words(side, part) or side for side in (words.good, words.bad))
    return Polar(good, bad)
