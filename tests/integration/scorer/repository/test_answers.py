"""The table ``answers``: which revision of an answer is stored."""

from itertools import product

from services.scorer.domain.answers import GivenAnswer, batch_of, newest_revisions
from services.scorer.repository import answers
from shared.contracts.answers import Answer, AnswerErased, StillCounted, supersedes
from shared.contracts.identity import key_of
from tests.integration.scorer.kit import START, Scorer, answer, erased

COUNTED = StillCounted(group="promoter", day=START.date(), surveyed=False)


def revisions(answer_id: str) -> list[GivenAnswer | AnswerErased]:
    """An answer at each of three revisions, and its erasure at each."""
    found: list[GivenAnswer | AnswerErased] = []
    for revision in (1, 2, 3):
        _, recorded = answer(answer_id, revision, revision=revision)
        _, gone = erased(answer_id, revision, COUNTED)
        assert isinstance(recorded, Answer) and isinstance(gone, AnswerErased)
        found += [GivenAnswer.of(recorded), gone]
    return found


async def store(scorer: Scorer, bodies: list[GivenAnswer | AnswerErased]) -> set[str]:
    """Writes one revision of each answer; returns the keys of those written."""
    newest = newest_revisions(bodies)
    rows = batch_of(
        newest, campaign_ids=[0] * len(bodies), segment_ids=[(0,)] * len(bodies), zone=scorer.runtime.settings.zone
    ).rows
    async with scorer.runtime.transaction() as connection:
        written = await answers.write(connection, answers.columns_of(rows))
    return {row.key for row in rows} if written.keys is None else set(written.keys)


async def test_the_database_replaces_exactly_what_the_rule_says_is_superseded(scorer: Scorer) -> None:
    """The rule is in SQL, too: every revision of an answer is written over every other."""
    pairs = [
        (revisions(f"{stored} {given}")[stored], revisions(f"{stored} {given}")[given])
        for stored, given in product(range(6), repeat=2)
    ]
    assert len(await store(scorer, [stored for stored, _ in pairs])) == 36
    replaced = await store(scorer, [given for _, given in pairs])
    assert replaced == {key_of(given.answer_id) for stored, given in pairs if supersedes(given, earlier=stored)}
