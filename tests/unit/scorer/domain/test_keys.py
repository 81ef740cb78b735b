"""The keys answers and surveys are stored under."""

from uuid import uuid4

from services.scorer.domain.keys import key_of


def test_a_canonical_uuid_is_its_own_key_and_other_spellings_are_other_answers() -> None:
    canonical = str(uuid4())
    assert key_of(canonical) == canonical
    spellings = [canonical, canonical.upper(), canonical.replace("-", ""), f"{{{canonical}}}", f"{canonical} ", "42"]
    assert len({key_of(spelling) for spelling in spellings}) == len(spellings)
