"""Why a version does not serve, or is not compiled, as strangers may read it.

The log has all of it: what a library says can be long, and names files of this machine.
"""

import re

MOST_CHARACTERS = 1000
# A path but for its last name.
PATH = re.compile(r"(?<![\w.:/-])/(?:[^\s/'\":;,()]+/)+(?=[^\s/])")


def for_strangers(reason: str) -> str:
    """One line, without the folders of this machine; of a long one both its ends."""
    line, half = PATH.sub("", " ".join(reason.split())), MOST_CHARACTERS // 2
    return line if len(line) <= MOST_CHARACTERS else f"{line[:half]}…{line[1 - half :]}"
