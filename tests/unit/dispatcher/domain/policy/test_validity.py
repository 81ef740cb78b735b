"""A question makes sense up to the last moment of its validity."""

from services.dispatcher.domain.policy import validity
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from tests.unit.dispatcher.domain.policy.kit import DAY, MOMENT, NOW, SERVICE, decide, due_survey, said, timer


def test_it_expires_to_the_microsecond() -> None:
    assert said(decide(timer("service", due=NOW - 15 * DAY))) == {"service": ("skipped", "expired")}
    last = NOW - SERVICE.valid_for
    assert validity.check(due_survey(timer=timer("service", due=last))) is None
    beyond = timer("service", due=last - MOMENT)
    assert validity.check(due_survey(timer=beyond)) == Objection(Reason.EXPIRED)
