"""Mails of which nobody knows whether they arrived: their courier died, or the connection broke before the answer."""

import asyncio
from collections.abc import Mapping
from uuid import uuid4

import structlog

from services.dispatcher.courier.actions import deliveries as results
from services.dispatcher.courier.channels.email.receipts import Receipts, ReceiptsUnavailable
from services.dispatcher.courier.domain.deliveries import UNKNOWN_OUTCOME, Ending
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.repository.deliveries import Later, Unanswered
from services.dispatcher.courier.settings import CourierSettings
from shared import metrics
from shared.runtime import Runtime

log = structlog.get_logger()

AT_ONCE = 50
"""Mails looked after in one round."""
QUESTIONS_AT_ONCE = 8
ASK_AGAIN_SECONDS = 5.0


class UnknownOutcomes:
    """Finds out by asking, or else decides as ``courier_unknown_outcome`` says. ``receipts`` None: nobody to ask."""

    def __init__(self, runtime: Runtime[CourierSettings], receipts: Receipts | None) -> None:
        self._runtime = runtime
        self._receipts = receipts

    async def round(self) -> bool:
        """Looks after up to AT_ONCE mails whose lease has run out. True when there may be more."""
        settings, claim = self._runtime.settings, uuid4()
        async with self._runtime.transaction() as connection:
            found = await repository.take_unknown(connection, claim, AT_ONCE, settings.courier_lease_seconds)
        if not found:
            return False
        if self._receipts is not None:
            answers = await self._ask(self._receipts, found)
        else:
            log.warning("mails with an unknown outcome", mails=len(found), decision=settings.courier_unknown_outcome)
            answers = dict.fromkeys(found, False)
        endings = [Ending(send_id, "accepted") for send_id, accepted in answers.items() if accepted]
        missing = [send_id for send_id, accepted in answers.items() if accepted is False]
        silent = [send_id for send_id, accepted in answers.items() if accepted is None]
        if self._receipts is None:
            # Sent a second time at most: whatever breaks the connection after each mail would fill a mailbox.
            hold = settings.courier_unknown_outcome == "hold"
            held = [send_id for send_id in missing if hold or found[send_id].resent]
            endings = [Ending(send_id, "held", UNKNOWN_OUTCOME) for send_id in held]
            missing = [send_id for send_id in missing if send_id not in held]
        reason = UNKNOWN_OUTCOME if self._receipts is None else None
        async with self._runtime.transaction() as connection:
            await results.end(connection, self._runtime.outbox, claim, endings, self._runtime.clock.now())
            if missing:
                await repository.put_off(connection, claim, [Later(send_id, reason, 0, 0) for send_id in missing])
            if silent:
                await repository.leave_unknown(connection, claim, silent, ASK_AGAIN_SECONDS)
        metrics.courier_mails.labels("resent").inc(len(missing))
        return len(found) == AT_ONCE

    async def _ask(self, receipts: Receipts, mails: Mapping[str, Unanswered]) -> dict[str, bool | None]:
        """Send id to whether its mail was accepted; None where nobody said."""
        slots = asyncio.Semaphore(QUESTIONS_AT_ONCE)

        async def ask(message_id: str) -> bool | None:
            async with slots:
                try:
                    return await receipts.accepted(message_id)
                except ReceiptsUnavailable as error:
                    log.warning("HEARBACK_SMTP_RECEIPTS_URL does not answer, asking again later", reason=str(error))
                    return None

        answers = await asyncio.gather(*(ask(mail.message_id) for mail in mails.values()))
        return dict(zip(mails, answers, strict=True))
