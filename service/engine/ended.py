"""The end of a process in which versions lived that an engine serves."""

from dataclasses import dataclass

from service.engine.reconciler import Key


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """What is known of it.

    Attributes:
        name: Of the process, `tensorflow-0`.
        code: Its exit code, negative for a signal.
        last_words: The last lines that it wrote to stderr.
        at_work: The versions that it was loading, warming or computing.
    """

    name: str
    code: int
    last_words: str
    at_work: frozenset[Key]


class ProcessDied(RuntimeError):
    """The process that a model lives in is gone, and all that it was doing with it.

    None of the rows that were being computed is known to have done it: there is no use
    in computing halves of their batch.

    Args:
        message: For the log.
        began: Whether it may have begun with what it was asked.
    """

    def __init__(self, message: str, *, began: bool = True):
        super().__init__(message)
        self.began = began
