"""One page of a list, and whether another follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``entries`` in the list's order; ``more`` when further ones follow."""

    entries: Sequence[T]
    more: bool

    @staticmethod
    def rows_to_read(limit: int) -> int:
        """How many rows to read for a page of ``limit`` entries: one more, which tells whether another page follows."""
        return limit + 1

    @classmethod
    def of(cls, rows: Sequence[T], limit: int) -> Self:
        """The page of ``limit`` entries from the ``rows_to_read``."""
        return cls(rows[:limit], more=len(rows) > limit)

    def map(self, change: Callable[[T], U]) -> "Page[U]":
        """The page with each entry changed."""
        return Page([change(entry) for entry in self.entries], self.more)

    @property
    def last(self) -> T | None:
        """The entry after which the next page begins; None at the end of the list."""
        return self.entries[-1] if self.more else None
