"""What an audit found: each check with how much it compared and every difference, and what was still under way."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 10
"""Differences of one check that are kept in words, the first by the alphabet; all of them are counted."""


@dataclass(slots=True)
class Check:
    """One comparison. ``promise`` is the number of the promise in docs/audit.md it keeps watch over.

    ``left_out`` counts what could not be recomputed, because something it follows from is not kept any more.
    """

    name: str
    promise: int
    compared: int = 0
    differences: int = 0
    left_out: int = 0
    examples: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        """Notes a difference; ``what`` names ids, never a person."""
        self.differences += 1
        insort(self.examples, what)
        del self.examples[SHOWN:]

    def same(self, subject: str, expected: object, found: object) -> None:
        """Compares, and notes a difference unless both are equal."""
        self.compared += 1
        if expected != found:
            self.differs(f"{subject}: recomputed {expected}, found {found}")

    def each_once(self, subject: str, ids: Iterable[str]) -> None:
        """Notes every id that comes more than once."""
        seen: set[str] = set()
        for one in ids:
            self.compared += 1
            if one in seen:
                self.differs(f"{subject} {one} is there more than once")
            seen.add(one)


@dataclass(slots=True)
class Report:
    """``pending`` is what had not come to an end when it was looked at, by name; ``unrest`` why there is no verdict."""

    checks: list[Check] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    unrest: str | None = None

    @property
    def differences(self) -> int:
        return sum(check.differences for check in self.checks)

    @property
    def clean(self) -> bool:
        """No difference, and nothing moved while it was looked for."""
        return self.differences == 0 and self.unrest is None

    def check(self, name: str) -> Check:
        return next(check for check in self.checks if check.name == name)

    def sentence(self) -> str:
        """The last line of an audit."""
        compared = sum(check.compared for check in self.checks)
        if self.unrest:
            return f"No verdict: {self.unrest}"
        if self.differences:
            return f"{self.differences:,} differences in {compared:,} comparisons."
        return f"Zero differences in {compared:,} comparisons."
