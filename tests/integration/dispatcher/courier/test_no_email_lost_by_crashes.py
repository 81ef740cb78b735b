"""No survey twice and none lost: couriers that die at any step, or stall and resume."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from services.dispatcher.courier.actions import deliveries as actions
from services.dispatcher.courier.channels.email.channel import EmailChannel
from services.dispatcher.courier.domain.deliveries import UnresolvedDelivery
from services.dispatcher.courier.loops import deliver
from services.dispatcher.courier.repository import deliveries as repository
from shared.mail.smtp import Transport
from shared.watermark import BEGINNING
from tests.integration.dispatcher.courier.conftest import Office, Open, recover, survey
from tests.integration.dispatcher.courier.post_office import PostOffice


class Died(BaseException):
    """The process dies here: nothing catches it, nothing is cleaned up."""


def dies(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """The next call of ``owner.name`` is the process's last; it dies before or after the work."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        if after:
            await original(*arguments, **named)
        raise Died

    monkeypatch.setattr(owner, name, dying)


STEPS = [
    (owner, name, after)
    for owner, name in (
        (repository, "take"),
        (repository, "begin"),
        (EmailChannel, "transmit"),
        (Transport, "send"),
        (Transport, "_send_envelope"),
        (Transport, "_send_content"),
        (deliver.DeliverLoop, "_write"),
        (actions, "end"),
        (repository, "end"),
    )
    for after in (False, True)
]


@pytest.mark.parametrize(("owner", "name", "after"), STEPS, ids=lambda part: getattr(part, "__name__", str(part)))
async def test_a_courier_that_dies_at_any_step_loses_no_mail_and_sends_none_twice(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: bool
) -> None:
    victim: Office = await open_office()
    await victim.queue([survey(number) for number in range(1, 6)])
    dies(monkeypatch, owner, name, after=after)
    with pytest.raises(Died):
        await victim.deliver.step()
    heir: Office = await open_office()
    await recover(heir)
    assert sorted(post.recipients()) == [f"ana-{number}@example.com" for number in range(1, 6)]
    assert sorted(await heir.published()) == [("delivery.accepted", f"send-{number}", None) for number in range(1, 6)]


async def test_before_the_lease_is_over_nobody_touches_a_mail_in_transmission(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim: Office = await open_office()
    await victim.queue([survey()])
    dies(monkeypatch, Transport, "send", after=False)
    with pytest.raises(Died):
        await victim.deliver.step()
    heir: Office = await open_office()
    await heir.carry()
    await heir.unresolved.step()
    assert post.mails == [] and post.questions == 0
    assert await heir.states() == {"send-1": "transmitting"}


async def test_a_courier_that_stalled_past_its_lease_begins_nothing_and_writes_nothing(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled: Office = await open_office(courier_connections=1)
    heir: Office = await open_office()
    await stalled.queue([survey(1), survey(2)])
    taken, wake = asyncio.Event(), asyncio.Event()
    real_now = deliver._now
    original = Transport._send_envelope

    async def stall(self: Transport, client: Any, email: Any) -> Any:
        taken.set()
        refused = await original(self, client, email)
        await wake.wait()
        return refused

    monkeypatch.setattr(Transport, "_send_envelope", stall)
    step_of_the_stalled = asyncio.create_task(stalled.deliver.step())
    await taken.wait()
    monkeypatch.setattr(Transport, "_send_envelope", original)
    await recover(heir)
    assert len(post.mails) == 2
    # The lease has expired when it resumes.
    monkeypatch.setattr(deliver, "_now", lambda: real_now() + 60)
    wake.set()
    await step_of_the_stalled
    assert len(post.mails) == 2
    assert sorted(await heir.published()) == [("delivery.accepted", f"send-{number}", None) for number in (1, 2)]
    assert await heir.states() == {"send-1": "accepted", "send-2": "accepted"}


async def test_what_a_stalled_courier_found_out_late_changes_nothing(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled: Office = await open_office(receipts=False)
    heir: Office = await open_office(receipts=False)
    await stalled.queue([survey()])
    write = stalled.deliver._write

    async def late(claim: Any, results: Any) -> None:
        await recover(heir)
        await write(claim, results)

    monkeypatch.setattr(stalled.deliver, "_write", late)
    await stalled.deliver.step()
    assert await heir.states() == {"send-1": "held"}
    assert await heir.published() == [("delivery.failed", "send-1", "unknown_outcome")]


@pytest.mark.parametrize("reply", [None, "550 5.1.1 unknown", "451 later", "cut"])
async def test_a_stalled_courier_writes_nothing_about_a_mail_another_looks_after(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch, reply: str | None
) -> None:
    stalled: Office = await open_office()
    heir: Office = await open_office()
    if reply:
        post.script["ana-1@example.com"].append(reply)
    await stalled.queue([survey()])
    write = stalled.deliver._write
    claim = uuid4()

    async def late(stale_claim: Any, results: Any) -> None:
        await heir.at_once()
        async with heir.runtime.transaction() as connection:
            taken = await repository.take_unresolved(connection, claim, "email", since=BEGINNING, limit=10, lease=60)
            assert taken == {"send-1": UnresolvedDelivery("<send-1@shop.test>", resent=False)}
        await write(stale_claim, results)

    monkeypatch.setattr(stalled.deliver, "_write", late)
    await stalled.deliver.step()
    [row] = await heir.rows("SELECT state, claim, attempts FROM deliveries")
    assert (row.state, str(row.claim), row.attempts) == ("transmitting", str(claim), 0)
    assert await heir.published() == []


async def test_results_survive_a_database_that_is_away_when_they_are_known(
    office: Office, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.queue([survey(number) for number in range(1, 4)])
    original = actions.end
    away = True

    async def trouble(*arguments: Any, **named: Any) -> None:
        if arguments[2] is not None and away:
            raise OSError("the database is away")
        await original(*arguments, **named)

    monkeypatch.setattr(actions, "end", trouble)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            await office.deliver.step()
    away = False
    await office.carry()
    assert len(post.mails) == 3
    assert [event[0] for event in await office.published()] == ["delivery.accepted"] * 3


async def test_two_couriers_side_by_side_deliver_each_mail_once(open_office: Open, post: PostOffice) -> None:
    couriers = [await open_office(courier_burst=7) for _ in range(3)]
    await couriers[0].queue([survey(number) for number in range(200)])
    await asyncio.gather(*(each.carry() for each in couriers))
    await couriers[0].carry()
    assert sorted(post.recipients()) == sorted(f"ana-{number}@example.com" for number in range(200))
    assert len(await couriers[0].published()) == 200
