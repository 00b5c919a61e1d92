"""Characters to the numbers of a model's symbols, and back."""

from collections.abc import Iterable

from service.contract.task import TextGeneration
from service.errors import InvalidInput, UnknownSymbol


class Alphabet:
    """What a text is made of.

    Args:
        task: Which declares it.
    """

    def __init__(self, task: TextGeneration):
        self._task, self.symbols = task, task.symbols
        self._numbers: dict[str, tuple[int, ...]] = {
            each: (n,) for n, each in enumerate(task.symbols)
        }
        for given, meant in task.replacements.items():
            self._numbers[given] = tuple(map(task.symbols.index, meant))

    @property
    def pattern(self) -> str:
        """What every prompt matches, as JSON Schema says it: a pattern of ECMA-262."""
        escaped = ["\\" + each if each in "\\]^-[" else each for each in self._numbers]
        return f"^[{''.join(escaped)}]*$"

    def read(self, prompt: str, name: str = "prompt") -> tuple[int, ...]:
        """The numbers of a prompt's symbols, replacements in place of others.

        Args:
            prompt: Any text.
            name: What the caller calls it.

        Raises:
            UnknownSymbol: It has a character that the model does not know.
            InvalidInput: It is too long.
        """
        numbers: list[int] = []
        for place, character in enumerate(prompt, start=1):
            known = self._numbers.get(character)
            if known is None:
                raise self._unknown(character, place, name)
            numbers += known
        most = self._task.max_prompt
        if len(numbers) > most:
            raise InvalidInput(
                f"{name}: expected at most {most:,} characters, received "
                f"{len(numbers):,}."
            )
        return tuple(numbers)

    def write(self, numbers: Iterable[int]) -> str:
        """The characters of these numbers."""
        return "".join([self.symbols[number] for number in numbers])

    def _unknown(self, character: str, place: int, name: str) -> UnknownSymbol:
        told = f"{character!r} (U+{ord(character):04X}) as character {place}"
        return UnknownSymbol(
            f"{name}: expected characters of the model's alphabet, received {told}; "
            f"the alphabet is {self.symbols!r}.",
            details=[{"field": name, "error": f"received {told}"}],
        )
