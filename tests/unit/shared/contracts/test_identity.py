"""Ids are the same for the same thing, and different for different ones."""

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import identity

labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


@given(st.lists(st.tuples(labels, labels, st.none() | labels), min_size=2, max_size=2, unique=True))
def test_identities_are_stable_and_never_meet(pair: list[tuple[str, str, str | None]]) -> None:
    first, second, again = (
        identity.timer_id(campaign=campaign, customer_id=customer, order_id=order)
        for campaign, customer, order in (*pair, pair[0])
    )
    assert first != second
    assert first == again
    assert len({identity.send_id(first), identity.answer_id(first), identity.case_id(first), first}) == 4
