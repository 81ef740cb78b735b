"""The values of a dimension side by side."""

from collections.abc import Sequence

from services.scorer.domain.comparisons import Compared, Values, compare
from services.scorer.domain.scores import is_held_back
from shared.nps import Counts


def compared(values: Sequence[tuple[str, Counts]], everybody: Counts) -> list[Compared]:
    tested = sum(not is_held_back(counts, minimum=10) for _, counts in values)
    page = Values(counts=values, total=len(values), tested=tested)
    return compare("country", page, everybody, minimum=10).compared


def test_each_value_is_compared_with_all_the_others_together() -> None:
    values = [
        ("NO", Counts(promoters=100)),
        ("KR", Counts(promoters=50, detractors=50)),
        ("BR", Counts(detractors=100)),
        ("SE", Counts(promoters=3)),
    ]
    found = compared(values, Counts(promoters=153, detractors=150))
    assert [(one.segment, one.differs, one.held_back) for one in found] == [
        ("country:NO", True, False),
        ("country:KR", False, False),
        ("country:BR", True, False),
        ("country:SE", None, True),
    ]


def test_a_value_without_others_differs_from_nobody() -> None:
    (only,) = compared([("BR", Counts(promoters=10, detractors=10))], Counts(promoters=10, detractors=10))
    assert only.differs is None


def test_the_more_values_are_compared_the_more_it_takes_to_differ_also_if_they_are_on_other_pages() -> None:
    counts, others = Counts(promoters=40, detractors=20), Counts(promoters=24, detractors=36)
    (alone,) = compared([("BR", counts)], counts + others)
    assert alone.differs
    page = Values(counts=[("BR", counts)], total=40, tested=20)
    (among_many,) = compare("country", page, counts + others, minimum=10).compared
    assert among_many.differs is False
