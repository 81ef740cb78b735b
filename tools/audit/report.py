"""The result of an audit: what each check compared and found, and what was still pending."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field

MAX_EXAMPLES = 10
"""Differences listed per check, the alphabetically first ones; all of them are counted."""


@dataclass(slots=True)
class Check:
    """One comparison. ``promise`` is the number of the promise in docs/audit.md that it verifies.

    ``left_out`` counts what could not be recomputed because the data it follows from is no longer retained.
    """

    name: str
    promise: int
    _: KW_ONLY
    compared: int = 0
    differences: int = 0
    left_out: int = 0
    examples: list[str] = field(default_factory=list)

    def add_difference(self, description: str) -> None:
        """``description`` identifies things by id and never contains personal data."""
        self.differences += 1
        insort(self.examples, description)
        del self.examples[MAX_EXAMPLES:]

    def expect_equal(self, subject: str, *, expected: object, found: object) -> None:
        """Compares the two, and adds a difference unless they are equal."""
        self.compared += 1
        if expected != found:
            self.add_difference(f"{subject}: recomputed {expected}, found {found}")

    def expect_unique(self, subject: str, ids: Iterable[str]) -> None:
        """Adds a difference for each repetition of an id."""
        seen: set[str] = set()
        for id_ in ids:
            self.compared += 1
            if id_ in seen:
                self.add_difference(f"{subject} {id_} occurs more than once")
            seen.add(id_)


@dataclass(slots=True)
class Report:
    """``pending`` counts unfinished work by its name; ``inconclusive`` says why the audit has no result, else None."""

    checks: list[Check] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    inconclusive: str | None = None

    @property
    def differences(self) -> int:
        return sum(check.differences for check in self.checks)

    @property
    def clean(self) -> bool:
        """The audit was conclusive and found no difference."""
        return self.differences == 0 and self.inconclusive is None

    def check(self, name: str) -> Check:
        return next(check for check in self.checks if check.name == name)

    def summary(self) -> str:
        """The last line of an audit."""
        compared = sum(check.compared for check in self.checks)
        if self.inconclusive:
            return f"Inconclusive: {self.inconclusive}"
        if self.differences:
            return f"{self.differences:,} differences in {compared:,} comparisons."
        return f"Zero differences in {compared:,} comparisons."
