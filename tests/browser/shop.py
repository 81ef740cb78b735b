"""The shop around the pages: its customers, its backend, its staff. No browser here."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.local.stack import Stack
from shared.contracts import identity
from tests.kit.eventually import eventually
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.shop import ShopBackend
from tools.simulation.shop_event import ShopEvent
from tools.simulation.visitor import Visitor


def new_word() -> str:
    """A word that occurs nowhere else in the shop: to find only what a test created."""
    return f"w{secrets.token_hex(5)}"


@dataclass
class Shop:
    """``staff`` has a key with every scope, ``visitors`` has none."""

    stack: Stack
    staff: httpx.AsyncClient
    visitors: httpx.AsyncClient
    backend: ShopBackend

    def __post_init__(self) -> None:
        self._mailbox = MailboxReader(self.visitors, self.stack.url("mailbox"))
        self._mails: dict[str, Mail] = {}
        self._prepared: list[Mail] = []
        self.visitor = Visitor(self.visitors)

    def url(self, service: str, path: str = "/") -> str:
        return f"{self.stack.url(service)}{path}"

    # Customers ------------------------------------------------------------------------------------------------

    async def asked(self, locale: str = "en", *, customer_id: str | None = None, **of_customer: str) -> Mail:
        """A new customer orders; returns the survey email."""
        if self._prepared and locale == "en" and customer_id is None and not of_customer:
            return self._prepared.pop()
        customer = customer_id or new_word()
        return await self._mail_to(await self.order(customer, locale=locale, **of_customer))

    async def prepare(self, count: int) -> None:
        """Surveys this many customers in advance, for ``asked`` to return: one by one takes most of the time."""
        addresses = [await self.order(new_word(), locale="en") for _ in range(count)]
        self._prepared += [await self._mail_to(address) for address in addresses]

    async def _mail_to(self, address: str) -> Mail:
        async def arrived() -> Mail | None:
            self._mails |= {mail.to: mail for mail in await self._mailbox.new()}
            return self._mails.get(address)

        mail = await eventually(arrived, f"an email to {address}")
        assert mail is not None
        return mail

    async def order(self, customer: str, **of_customer: str) -> str:
        """Publishes an order placed now; returns the customer's address."""
        now = datetime.now(UTC)
        address = f"{customer}@customers.example"
        body = {
            "order_id": f"{customer}-1",
            "occurred_at": now.isoformat(),
            "customer": {"id": customer, "email": address, "name": "Ana", **of_customer},
            "total": {"amount": "74.50", "currency": "EUR"},
            "items": [{"name": "Tea kettle", "category": "kitchen", "quantity": 1, "price": "74.50"}],
            "promised_at": (now + timedelta(days=3)).isoformat(),
        }
        await self.backend.publish(
            [
                ShopEvent(
                    id=f"{customer}-1/placed", type="order.placed", occurred_at=now, customer_id=customer, body=body
                )
            ]
        )
        return address

    async def answers(self, mail: Mail) -> int:
        """How many answers were recorded through this email's links so far.

        Gives one more to find out: its revision tells how many came before it.
        """
        return (await self.visitor.answer(mail.answer_url, 5, comment=f"asked by the test: {new_word()}")).revision - 1

    # The shop's backend ---------------------------------------------------------------------------------------

    async def give(
        self, score: int, comment: str | None = None, *, answered_at: datetime | None = None,
        segments: Mapping[str, str | list[str]] | None = None, **more: str,
    ) -> str:  # fmt: skip
        """An answer given elsewhere, which the shop reports; returns its id."""
        given: dict[str, Any] = {"score": score, **more}
        if comment is not None:
            given["comment"] = comment
        if answered_at is not None:
            given["answered_at"] = answered_at.isoformat()
        if segments is not None:
            given["segments"] = dict(segments)
        response = await self.staff.post(self.url("collector", "/v1/answers"), json=given)
        response.raise_for_status()
        answer_id: str = response.json()["answer_id"]
        return answer_id

    # Staff ----------------------------------------------------------------------------------------------------

    async def counted(self, segment: str, n: int) -> dict[str, Any]:
        """The score of a segment, or by default of everyone, once ``n`` answers count in it."""

        async def ask() -> dict[str, Any]:
            asked = {"window": "all", **({"segment": segment} if segment else {})}
            response = await self.staff.get(self.url("scorer", "/v1/nps"), params=asked)
            response.raise_for_status()
            score: dict[str, Any] = response.json()
            return score

        return await eventually(ask, f"{n} answers in {segment}", wanted=lambda score: score["n"] == n)

    async def case(self, answer_id: str, revision: int = 1) -> dict[str, Any]:
        """The case about an answer, once it has this revision of the answer or a later one."""
        path = f"/v1/cases/{identity.case_id(answer_id)}"

        async def ask() -> dict[str, Any]:
            response = await self.staff.get(self.url("alerter", path))
            if response.status_code == 404:
                return {}
            response.raise_for_status()
            found: dict[str, Any] = response.json()["case"]
            return found

        def wanted(case: dict[str, Any]) -> bool:
            return bool(case) and case["answer"]["revision"] >= revision

        return await eventually(ask, f"a case about revision {revision}", wanted=wanted)

    async def change(self, case: Mapping[str, Any], action: str, **how: str) -> None:
        """Performs an action on a case as another staff member, through the API."""
        path = f"/v1/cases/{case['case_id']}/{action}"
        response = await self.staff.post(self.url("alerter", path), json={"sequence": case["sequence"], **how})
        response.raise_for_status()


def answer_of(mail: Mail) -> str:
    """The id of the answer given through this email's links."""
    return identity.answer_id(mail.send_id)
