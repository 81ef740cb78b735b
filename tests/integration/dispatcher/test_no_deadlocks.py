"""Replicas whose batches concern the same customers through different topics wait for each other, never in a circle."""

import asyncio

from shared.contracts.cloudevents import Message
from tests.integration.dispatcher.kit import START, Open, order_event, preference, request


async def test_batches_of_several_topics_lock_in_one_order(open_dispatcher: Open) -> None:
    one, other = await open_dispatcher(), await open_dispatcher()
    customers = 40

    def batch(round_: int, first: str, second: str) -> list[Message]:
        """Orders of the first half of the customers, preferences, erasures and requests of the second."""
        messages = [
            order_event("placed", f"{first}-{number}", f"{first}-{number}", at=START) for number in range(customers)
        ]
        for number in range(customers):
            messages.append(preference("bounced" if number % 2 else "erased", f"{second}-{number}", revision=round_))
            messages.append(request("service-nps", f"{second}-{number}", request_id=f"{round_}-{second}-{number}"))
        return messages

    async with asyncio.timeout(60):
        for round_ in range(1, 11):
            await asyncio.gather(one.handle(*batch(round_, "a", "b")), other.handle(*batch(round_, "b", "a")))
