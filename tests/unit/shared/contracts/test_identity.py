"""Ids are the same for the same thing, and different for different ones."""

from uuid import UUID, uuid4, uuid5

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


def test_a_canonical_uuid_is_its_own_key_and_other_spellings_are_other_ids() -> None:
    canonical = str(uuid4())
    assert identity.key_of(canonical) == canonical
    spellings = [canonical, canonical.upper(), canonical.replace("-", ""), f"{{{canonical}}}", f"{canonical} ", "42"]
    assert len({identity.key_of(spelling) for spelling in spellings}) == len(spellings)


def test_the_key_of_a_known_id() -> None:
    """Rows are stored under it."""
    assert identity.key_of("a-1") == identity.derived_key("a-1") == "661276dd-3296-5471-94fe-9a44bdaae3aa"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=4))
def test_an_id_is_a_uuid_of_version_5_in_our_namespace(parts: list[str]) -> None:
    """Ids are in every table and topic: another formula would give the same thing another id."""
    name = "event" + "".join(f"|{len(part)}:{part}" for part in ["decision", *parts])
    assert identity.event_id("decision", *parts) == str(uuid5(UUID("6f0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51"), name))
