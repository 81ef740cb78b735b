"""Ids are the same for the same thing, and different for different ones."""

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import identity

labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


@given(st.lists(st.tuples(labels, labels, st.none() | labels), min_size=2, max_size=2, unique=True))
def test_identities_are_stable_and_never_meet(pair: list[tuple[str, str, str | None]]) -> None:
    first, second = (identity.timer_id(campaign, customer, order) for campaign, customer, order in pair)
    assert first != second
    assert first == identity.timer_id(*pair[0])
    assert len({identity.send_id(first), identity.answer_id(first), identity.case_id(first), first}) == 4
