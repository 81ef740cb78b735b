"""Records when each customer last answered."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import customers as rules
from services.dispatcher.repository import customers
from shared.contracts.answers import Answer, AnswerErased


async def ingest(connection: AsyncConnection, bodies: Sequence[Answer | AnswerErased]) -> None:
    """Anonymous and erased answers have no customer and change nothing."""
    answered: dict[str, datetime] = {}
    for body in bodies:
        if isinstance(body, Answer) and body.customer_id is not None:
            answered[body.customer_id] = max(answered.get(body.customer_id, body.answered_at), body.answered_at)
    if not answered:
        return
    known = await customers.lock(connection, answered)
    changed = [rules.answered(known[customer_id], at) for customer_id, at in answered.items()]
    await customers.write(connection, [one for one in changed if one != known[one.customer_id]])
