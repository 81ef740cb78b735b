"""Recording answers: read, decide, write with their events, all in one transaction, before anything is acknowledged.

Every way in leads through the writer (``answer_writer.py``), which collects what arrives at the same time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answer_requests import REFUSALS, AnswerRequest, Decided, Standing, decide
from services.collector.domain.answers import StoredAnswer, answer_after
from services.collector.domain.surveys import Survey
from services.collector.repository import answers, campaigns, erasures, surveys
from services.collector.repository.answers import AnswerChange, NewAnswer
from services.collector.settings import CollectorSettings
from shared.contracts import answers as contract
from shared.contracts.answers import Answer
from shared.contracts.events import Event
from shared.runtime import Runtime

_CAMPAIGNS_NAMED = 20
"""How many campaigns an error lists."""

Outcome = Decided | Exception | None
"""What became of a request: decided and written, refused (one of REFUSALS), or neither."""


def is_probably_new(request: AnswerRequest, campaigns_known: Collection[str]) -> bool:
    """Whether it is worth trying to ``add`` the answer, without reading what is stored."""
    if request.send_id is not None:
        # A page asks for the comment when it has the score.
        return "score" in request.given and "comment" not in request.given
    return request.campaign is None or request.campaign in campaigns_known


async def add(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], requests: Sequence[AnswerRequest]
) -> dict[str, Decided]:
    """Adds those that are plainly new, and commits; by answer id. The others need ``record``. Each has a key of its
    own, and is probably new."""
    now = runtime.clock.now()
    digests = runtime.digests
    send_ids = {request.send_id for request in requests if request.send_id is not None}
    sent = await surveys.read_several(connection, send_ids, now) if send_ids else {}
    new: list[NewAnswer] = []
    decided: dict[str, Decided] = {}
    for request in requests:
        answer = _first_answer(request, sent, now)
        if answer is None:
            continue
        decided[request.answer_id] = Decided(answer, changed=True)
        customer_id, order_id = request.customer_id, request.order_id
        new.append(
            NewAnswer(
                answer_id=request.answer_id,
                customer_id=answer.customer_id,
                send_id=request.send_id,
                event=runtime.outbox.record(contract.event(answer, traceparent=request.traceparent)),
                request_digest=request.digest,
                customer_digest=None if customer_id is None else digests.digest(customer_id),
                order_digest=None if order_id is None else digests.order(order_id),
                rival_id=request.unowned_id,
                claim=request.key if request.named else None,
            )
        )
    added = await answers.add(connection, contract.TOPIC, new) if new else ()
    return {answer_id: decided[answer_id] for answer_id in added}


def _first_answer(request: AnswerRequest, sent: Mapping[str, Survey], now: datetime) -> Answer | None:
    """What a request becomes if nothing is stored under its id; None if that needs a look at what is."""
    if request.send_id is None:
        return answer_after(None, request.answer_id, request.given, now)
    try:
        return decide(request, Standing(survey=sent.get(request.send_id)), now).answer
    except REFUSALS:
        return None


async def record(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], requests: Sequence[AnswerRequest], *, wait: bool
) -> list[Outcome]:
    """What becomes of each of the requests, decided in their order and written with their events.

    Without ``wait``, what others have locked is not waited for, and nothing is refused, because an answer that is
    locked looks like none: such a request, and those after it that are about the same answer, have no outcome. With
    it, one has none only if another transaction was quicker.
    """
    facts = await _facts(connection, runtime, requests, wait=wait)
    now = runtime.clock.now()
    left = facts.busy
    outcomes: list[Outcome] = []
    changes: dict[str, AnswerChange] = {}
    owners: dict[str, str] = {}
    events: list[Event] = []
    for request in requests:
        if request.key in left:
            outcomes.append(None)
            continue
        try:
            decided = decide(request, facts.standing(request, changes, owners), now)
        except REFUSALS as refusal:
            outcomes.append(refusal if wait else None)
            if not wait:
                left.add(request.key)
            continue
        outcomes.append(decided)
        if decided.changed:
            earlier = changes.get(request.answer_id)
            stored = facts.stored.get(request.answer_id)
            changes[request.answer_id] = AnswerChange(
                answer=decided.answer,
                before=earlier.before if earlier else stored.revision if stored else 0,
                request_digest=earlier.request_digest
                if earlier
                else stored.request_digest
                if stored
                else request.digest,
            )
            owners[request.key] = request.answer_id
            events.append(contract.event(decided.answer, traceparent=request.traceparent))
    if not changes:
        return outcomes
    written = await answers.put(connection, list(changes.values()))
    await runtime.outbox.put(connection, [event for event in events if event.key in written])
    lost = changes.keys() - written
    return [None if request.answer_id in lost else outcome for request, outcome in zip(requests, outcomes, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is stored about what the requests concern, by answer id, send id, customer id and order id. ``busy`` are
    the keys of answers that somebody else is changing; ``taken`` the answer ids whose key another answer has."""

    busy: set[str]
    stored: dict[str, StoredAnswer]
    surveys: dict[str, Survey]
    taken: set[str]
    customers_erased_at: dict[str, datetime]
    orders_erased_at: dict[str, datetime]
    campaigns: Collection[str]

    def standing(
        self, request: AnswerRequest, changes: Mapping[str, AnswerChange], owners: Mapping[str, str]
    ) -> Standing:
        """For one of the requests, after the ``changes`` of those before it, by answer id; ``owners`` are the answers
        of their keys."""
        change = changes.get(request.answer_id)
        erased_at = None
        if request.customer_id is not None:
            erased_at = self.customers_erased_at.get(request.customer_id)
        elif request.order_id is not None:
            erased_at = self.orders_erased_at.get(request.order_id)
        return Standing(
            stored=change.stored if change else self.stored.get(request.answer_id),
            survey=self.surveys.get(request.send_id) if request.send_id else None,
            unowned=self.stored.get(request.unowned_id) if request.unowned_id else None,
            key_taken=request.answer_id in self.taken
            or owners.get(request.key, request.answer_id) != request.answer_id,
            erased_at=erased_at,
            campaigns=self.campaigns,
        )


async def _facts(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], requests: Sequence[AnswerRequest], *, wait: bool
) -> _Facts:
    """Read and locked in an order that everybody keeps: who may be erased, keys, surveys, answers."""
    busy = await _hold_off_erasures(connection, requests, wait=wait)
    claims = {request.key for request in requests if request.named}
    if claims:
        busy |= await answers.claim_keys(connection, claims, wait=wait)
    send_ids = {request.send_id for request in requests if request.send_id is not None}
    held = await surveys.hold_several(connection, send_ids, runtime.clock.now(), wait=wait) if send_ids else {}
    answer_ids = {request.answer_id for request in requests}
    unowned_ids = {request.unowned_id for request in requests if request.unowned_id is not None}
    stored = await answers.read(connection, answer_ids | unowned_ids, wait=wait)
    if not wait and (unseen := unowned_ids - stored.keys()):
        # A retried request must not become a second answer because somebody has locked the first.
        locked = await answers.known(connection, unseen)
        busy |= {request.key for request in requests if request.unowned_id in locked}
    new_ids = {
        request.answer_id: request.key for request in requests if request.named and request.answer_id not in stored
    }
    customers_erased_at, orders_erased_at = await _erased_at(connection, runtime, requests)
    return _Facts(
        busy=busy,
        stored=stored,
        surveys=held,
        taken=await answers.with_taken_key(connection, new_ids) if new_ids else set(),
        customers_erased_at=customers_erased_at,
        orders_erased_at=orders_erased_at,
        campaigns=await _campaigns(connection, requests),
    )


async def _hold_off_erasures(connection: AsyncConnection, requests: Sequence[AnswerRequest], *, wait: bool) -> set[str]:
    """Until the transaction ends, nobody whom one of the answers names is erased. Without ``wait``, returns the keys of
    the answers of those who are being erased."""
    busy: set[str] = set()
    customer_ids = {request.customer_id for request in requests if request.customer_id is not None}
    if customer_ids:
        being_erased = await erasures.hold_off_for_customers(connection, customer_ids, wait=wait)
        busy = {request.key for request in requests if request.customer_id in being_erased}
    about_orders = {request.key for request in requests if request.order_id is not None}
    if about_orders and not await erasures.hold_off_for_orders(connection, wait=wait):
        busy |= about_orders
    return busy


async def _erased_at(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], requests: Sequence[AnswerRequest]
) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """When those whom the requests name were erased: by customer id, and by order id."""
    digests = runtime.digests
    customers = {
        digests.digest(each.customer_id): each.customer_id for each in requests if each.customer_id is not None
    }
    orders = {digests.order(each.order_id): each.order_id for each in requests if each.order_id is not None}
    customers_at = await erasures.customers_erased_at(connection, customers) if customers else {}
    orders_at = await erasures.orders_erased_at(connection, orders) if orders else {}
    return (
        {customers[digest]: moment for digest, moment in customers_at.items()},
        {orders[digest]: moment for digest, moment in orders_at.items()},
    )


async def _campaigns(connection: AsyncConnection, requests: Sequence[AnswerRequest]) -> Collection[str]:
    """Those the requests name and that were published; if one was not, some of those that were, to tell its sender."""
    named = {request.campaign for request in requests if request.campaign is not None}
    if not named:
        return ()
    found = await campaigns.published_among(connection, named)
    return found if found == named else found.union(await campaigns.published(connection, _CAMPAIGNS_NAMED))
