"""``surveys.sends``, ``surveys.deliveries`` and ``surveys.answers``: one handler, so that a batch of them is counted
together."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.counts import Received, count
from services.scorer.actions.names import Names
from services.scorer.domain.answers import GivenAnswer, read_answer
from services.scorer.settings import ScorerSettings
from shared.contracts import answers, sends, topics
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message, Readers
from shared.contracts.deliveries import Delivery
from shared.contracts.light import Light
from shared.contracts.sends import SurveySent
from shared.contracts.types import Contract
from shared.messaging.bodies import bodies, with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime

READERS: Readers = {answers.RECORDED: read_answer, answers.AMENDED: read_answer}
"""What is read lightly."""


def handler(runtime: Runtime[ScorerSettings], names: Names) -> Handler:
    zone = runtime.settings.zone
    comments_kept = runtime.settings.comments_kept

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        answered = [message for message in messages if message.topic == topics.ANSWERS.name]
        others = messages if len(answered) < len(messages) else ()
        # A reminder is the same survey and adds nothing.
        sent = [message for message in others if message.type == sends.SENT]
        reports = [message for message in others if message.topic == topics.DELIVERIES.name]
        received = Received(
            sends=bodies(sent, SurveySent),
            deliveries=[(message.type, body) for message, body in with_bodies(reports, Delivery)],
            answers=[_given(body) for body in bodies(answered, GivenAnswer, Answer, AnswerErased)],
        )
        await count(connection, names, received, zone=zone, comments_kept=comments_kept)

    return handle


def _given(body: Contract | Light) -> GivenAnswer | AnswerErased:
    if isinstance(body, GivenAnswer):
        return body
    if isinstance(body, Answer):
        return GivenAnswer.of(body)
    assert isinstance(body, AnswerErased)
    return body
