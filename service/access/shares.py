"""How much each caller holds of what there is only so much of, and may hold of it."""


class Shares:
    """Of something limited: what callers hold, so that none of them takes all.

    Args:
        most: All that there is.
        share: Of what others leave, as much of it as one caller may hold, in (0, 1].

    Attributes:
        held: By all together.
    """

    def __init__(self, most: int, share: float):
        self._most, self._share = most, share
        self.held = 0
        self._by_caller: dict[str, int] = {}

    def has_room(self, caller: str, amount: int = 1) -> bool:
        """Whether a caller may hold so much more.

        Who holds nothing may have as much as there is: its share is of the others'.
        """
        if self.held + amount > self._most:
            return False
        own = self._by_caller.get(caller, 0)
        left = self._most - self.held + own
        return not own or own + amount < self._share * left + 1  # rounded up

    def hold(self, caller: str, amount: int = 1) -> None:
        """Count what a caller holds from now on."""
        self.held += amount
        self._by_caller[caller] = self._by_caller.get(caller, 0) + amount

    def release(self, caller: str, amount: int = 1) -> None:
        """It holds so much less."""
        self.held -= amount
        left = self._by_caller[caller] - amount
        if left:
            self._by_caller[caller] = left
        else:
            del self._by_caller[caller]
