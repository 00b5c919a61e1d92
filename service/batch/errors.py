"""What ends a run before its end."""


class BatchError(Exception):
    """What was wrong, what was expected, what was received.

    Nothing of what was done is lost by it: the same command goes on from there.
    """
