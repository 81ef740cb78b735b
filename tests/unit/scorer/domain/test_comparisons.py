"""The values of a dimension side by side."""

from services.scorer.domain.comparisons import compare
from shared.nps import Counts


def test_best_first_those_held_back_last_and_differences_from_all_the_others_together() -> None:
    values = [
        ("BR", Counts(detractors=100)),
        ("NO", Counts(promoters=100)),
        ("KR", Counts(promoters=50, detractors=50)),
        ("SE", Counts(promoters=3)),
    ]
    compared = compare("country", values, Counts(promoters=153, detractors=150), minimum=10)
    assert [(one.segment, one.differs, one.held_back) for one in compared] == [
        ("country:NO", True, False),
        ("country:KR", False, False),
        ("country:BR", True, False),
        ("country:SE", None, True),
    ]


def test_a_value_without_others_differs_from_nobody() -> None:
    (only,) = compare(
        "country",
        [("BR", Counts(promoters=10, detractors=10))],
        Counts(promoters=10, detractors=10),
        minimum=10,
    )
    assert only.differs is None


def test_the_more_values_are_compared_the_more_it_takes_to_differ() -> None:
    counts, others = Counts(promoters=37, detractors=23), Counts(promoters=24, detractors=36)
    (alone,) = compare("country", [("BR", counts)], counts + others, minimum=10)
    assert alone.differs
    many = [("BR", counts), *((str(number), others) for number in range(19))]
    among_many = {one.value: one for one in compare("country", many, counts + others, minimum=10)}
    assert among_many["BR"].differs is False
