"""How the rate of an open loop changes, as a user names it."""

from dataclasses import dataclass
from enum import StrEnum

from loadtest.rates import Rates, constant, ramp, spike, steps

USUAL_S, SOAK_S = 10.0, 600.0
GROWTH = 4  # of the rate, where nothing says how far it goes


class Shape(StrEnum):
    """The shapes that a load may have over time."""

    CONSTANT = "constant"
    RAMP = "ramp"
    STEPS = "steps"
    SPIKE = "spike"
    SOAK = "soak"

    def usual_s(self) -> float:
        """How long it takes where nothing says so, in seconds."""
        return SOAK_S if self is Shape.SOAK else USUAL_S


@dataclass(frozen=True, slots=True)
class Profile:
    """What a user asked for.

    Attributes:
        shape: Over time.
        rate: Requests a second at the start.
        to_rate: At the end, or at the height; None = `GROWTH` times the rate.
        steps: How many, if it goes in steps.
    """

    shape: Shape
    rate: float
    to_rate: float | None
    steps: int

    def rates(self, duration_s: float) -> Rates:
        """The rate over so many seconds."""
        top = self.to_rate or GROWTH * self.rate
        if self.shape is Shape.RAMP:
            return ramp(self.rate, top, duration_s)
        if self.shape is Shape.STEPS:
            return steps(self.rate, top, duration_s, self.steps)
        if self.shape is Shape.SPIKE:
            return spike(self.rate, top, duration_s)
        return constant(self.rate, duration_s)
