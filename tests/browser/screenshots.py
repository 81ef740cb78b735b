"""Screenshots of every page at phone and desktop width: ``python -m tests.browser.screenshots FOLDER``.

A separate stack is filled with half a year of a shop's answers, from a seeded random generator: late parcels make
unhappy customers, some regions have more of them, and recently fewer were late. ``--readme docs/images`` also takes
the four screenshots of the README.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from playwright.async_api import Page, expect

from deploy.local.external import External
from tests.browser.chromium import PHONE, WIDE, Visits, chromium, launched
from tests.browser.shop import Shop, answer_of
from tests.kit.http import http_client
from tests.kit.stacks import AT_ONCE, running_stack
from tools.simulation.mailbox import Mail
from tools.simulation.shop import ShopBackend

DAYS = 160
ANSWERS_A_DAY = 5
ASKED_TODAY = 30
SCORES_TODAY = (2, 9, 5, 10, 6, 1, 8, 4, 9, 3)
NAMES = ("Ana", "Olivia", "지민", "Ingrid", "Rafael", "Isla", "芳", "Lars", "Noah", "Sigrid")
BRAND = {"HEARBACK_BRAND_NAME": "Pine & Pebble", "HEARBACK_BRAND_COLOR": "#1f6f5c"}
LATE = {"SP": 0.10, "RJ": 0.24, "BA": 0.52, "England": 0.10, "Scotland": 0.18, "Seoul": 0.04, "Guangdong": 0.12,
        "Oslo": 0.05, "Finnmark": 0.42}  # fmt: skip
COUNTRY = {"SP": "BR", "RJ": "BR", "BA": "BR", "England": "GB", "Scotland": "GB", "Seoul": "KR", "Guangdong": "CN",
           "Oslo": "NO", "Finnmark": "NO"}  # fmt: skip
CATEGORIES = ("toys", "kitchen", "books", "garden", "outdoor")
UNHAPPY = ("Nine days late, and nobody answered my mail.", "The lid was cracked when it came.",
           "Wrong colour, and sending it back is complicated.", "It was promised before the weekend.")  # fmt: skip
HAPPY = ("Lovely wrapping, and a day early!", "Exactly as described.", "My children play with it every day.",
         "Easy to order, quick to arrive.")  # fmt: skip
MIDDLING = ("Good, but the parcel was far too large.", "Fine. A little expensive.")


@dataclass(frozen=True, slots=True)
class Given:
    """A generated answer. ``days_ago`` may be a fraction."""

    score: int
    comment: str | None
    days_ago: float
    segments: dict[str, str | list[str]]


def drawn(random: Random) -> list[Given]:
    """The answers of half a year, oldest first."""
    given = []
    for day in range(DAYS, 0, -1):
        better = (DAYS - day) / DAYS
        for _ in range(ANSWERS_A_DAY):
            region = random.choice(list(LATE))
            late = random.random() < LATE[region] * (1.5 - 0.9 * better)
            score = max(0, min(10, round(random.gauss(4.0 if late else 9.0, 2.4 if late else 1.4))))
            comments = UNHAPPY if score < 7 else MIDDLING if score < 9 else HAPPY
            given.append(
                Given(
                    score,
                    random.choice(comments) if random.random() < 0.35 else None,
                    day - random.random(),
                    {
                        "country": COUNTRY[region],
                        "region": region,
                        "category": random.sample(CATEGORIES, random.choice((1, 1, 2))),
                        "delivery": "late" if late else "on time",
                    },
                )
            )
    return given


@asynccontextmanager
async def filled_shop(folder: Path) -> AsyncIterator[Shop]:
    """A running stack in ``folder`` with the answers recorded, old cases closed, and some new ones waiting."""
    (folder / "campaigns").mkdir()
    (folder / "campaigns" / "service-nps.yaml").write_text(AT_ONCE.replace("at-once", "service-nps"))
    async with (
        running_stack(
            folder, on=External.from_environment(), campaigns=folder / "campaigns", environment=BRAND
        ) as stack,
        http_client(key=stack.api_key, timeout=30) as staff,
        http_client(timeout=30) as visitors,
        ShopBackend(stack.kafka_bootstrap_servers, source="/shop", topic_prefix=stack.topic_prefix) as backend,
    ):
        shop = Shop(stack, staff, visitors, backend)
        await _fill(shop, Random(7))
        yield shop


async def _fill(shop: Shop, random: Random) -> None:
    now = datetime.now(UTC)
    given = drawn(random)
    for start in range(0, len(given), 50):
        ids = await asyncio.gather(
            *(
                shop.give(
                    one.score, one.comment, answered_at=now - timedelta(days=one.days_ago), segments=one.segments,
                    campaign="service-nps",
                )
                for one in given[start : start + 50]
            )
        )  # fmt: skip
        unhappy = [answer for answer, one in zip(ids, given[start : start + 50], strict=True) if one.score < 7]
        await asyncio.gather(*(_dealt_with(shop, answer) for answer in unhappy))
    await shop.counted("", len(given))


async def _dealt_with(shop: Shop, answer: str) -> None:
    case = await shop.case(answer)
    await shop.change(case, "close", reason="resolved", root_cause="Delivered late", text="Sent a voucher")


async def _today(shop: Shop) -> list[Mail]:
    """Customers who were just asked, the first of whom answered; one of the cases already has an owner."""
    mails = []
    for number in range(ASKED_TODAY):
        name = NAMES[number % len(NAMES)]
        mail = await shop.asked(customer_id=f"c-{1042 + number}", name=name, country="BR", region="SP")
        if number < len(SCORES_TODAY):
            score = SCORES_TODAY[number]
            comments = UNHAPPY if score < 7 else MIDDLING if score < 9 else HAPPY
            comment = comments[number % len(comments)] if number % 5 != 4 else None
            await shop.visitor.answer(mail.answer_url, score, comment=comment)
            await shop.case(answer_of(mail))
        mails.append(mail)
    await shop.change(await shop.case(answer_of(mails[2])), "assign", owner="Marit")
    return mails


# Pictures -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Album:
    """Takes each page at both widths; ``session`` is the storage state of a signed-in browser."""

    shop: Shop
    visits: Visits
    folder: Path
    session: Any

    async def take(self, name: str, address: str, *, staff: bool = False, shown: str = "main") -> None:
        for width in (PHONE, WIDE):
            page = await self.open(address, width, staff=staff)
            await page.wait_for_selector(shown)
            await _charts_are_drawn(page)
            await page.screenshot(path=self.folder / f"{name}-{width}.png", full_page=True, animations="disabled")
            await page.context.close()
            print(f"{name}-{width}.png")

    async def open(self, address: str, width: int, *, staff: bool) -> Page:
        session = {"storage_state": self.session} if staff else {}
        return await self.visits.open(address, width=width, color_scheme="light", **session)

    async def survey_steps(self, mail: Mail, language: str) -> None:
        """The question, the comment and the thanks, step by step; the answer is really recorded."""
        for width in (PHONE, WIDE):
            page = await self.open(f"{mail.answer_url}?score=9&lang={language}", width, staff=False)
            for step in ("question", "comment", "thanks"):
                await page.screenshot(path=self.folder / f"{step}-{language}-{width}.png", animations="disabled")
                if step != "thanks":
                    before = await page.locator("h1").inner_text()
                    await page.locator("button.main").click()
                    await expect(page.locator("h1")).not_to_have_text(before)
            await page.context.close()
            print(f"question, comment, thanks in {language} at {width}")


async def _charts_are_drawn(page: Page) -> None:
    for chart in await page.locator(".chart").all():
        await chart.locator(".plot").wait_for()


async def take_all(album: Album, mails: list[Mail]) -> None:
    shop = album.shop
    await album.take("mailbox", shop.url("mailbox"))
    await album.take("mail-in-mailbox", shop.url("mailbox", f"/messages/{mails[0].id}"))
    await album.take("mail", shop.url("mailbox", f"/api/messages/{mails[0].id}/html"), shown="a")
    for language, locale in (("ko", "ko-KR"), ("zh", "zh-CN"), ("pt", "pt-BR"), ("nb", "nb-NO"), ("en", "en")):
        mail = await shop.asked(locale, name="Ana")
        await album.take(f"mail-{language}", shop.url("mailbox", f"/api/messages/{mail.id}/html"), shown="a")
        await album.survey_steps(mail, language)
        await album.take(f"unsubscribe-{language}", mail.unsubscribe_url or "")
    await album.take("forged", shop.url("collector", "/s/forged"))
    await album.take("sign-in", shop.url("scorer", "/sign-in"))
    await album.take("dashboard", shop.url("scorer"), staff=True)
    await album.take("dashboard-region", shop.url("scorer", "/?by=region&window=90d&segment=country:BR"), staff=True)
    await album.take("dashboard-nobody", shop.url("scorer", "/?segment=country:XX"), staff=True)
    await album.take("inbox", shop.url("alerter"), staff=True)
    case = await shop.case(answer_of(mails[2]))
    await album.take("case", shop.url("alerter", f"/cases/{case['case_id']}"), staff=True)
    await album.take("inbox-promoters", shop.url("alerter", "/?queue=promoters"), staff=True)
    await album.take("inbox-nobody", shop.url("alerter", "/?search=nobody+at+all"), staff=True)


async def take_readme(album: Album, folder: Path, mails: list[Mail]) -> None:
    shop = album.shop
    case = await shop.case(answer_of(mails[0]))
    pictures = (
        ("dashboard", shop.url("scorer", "/?window=90d&by=region"), True, WIDE, 1280),
        ("inbox", shop.url("alerter", f"/cases/{case['case_id']}"), True, WIDE, 800),
        ("landing", f"{mails[-1].answer_url}?score=9", False, 760, 520),
        ("mail", shop.url("mailbox", f"/api/messages/{mails[-1].id}/html"), False, 760, 460),
    )
    for name, address, staff, width, height in pictures:
        page = await album.open(address, width, staff=staff)
        await page.set_viewport_size({"width": width, "height": height})
        await _charts_are_drawn(page)
        await page.screenshot(path=folder / f"{name}.png", animations="disabled")
        print(f"{folder / name}.png, {(folder / f'{name}.png').stat().st_size // 1024} kB")


async def main(folder: Path, readme: Path | None) -> None:
    path = chromium()
    if path is None:
        raise SystemExit("There is no Chromium on this machine (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory() as state:
        async with launched(path) as browser, filled_shop(Path(state)) as shop:
            mails = await _today(shop)
            visits = Visits(browser)
            page = await visits.open(shop.url("scorer", f"/sign-in?next=/#key={shop.stack.api_key}"))
            await page.get_by_role("button", name="Sign in").click()
            await page.wait_for_selector("#dashboard")
            album = Album(shop, visits, folder, await page.context.storage_state())
            if readme is not None:
                await take_readme(album, readme, mails)
            await take_all(album, mails)
            await visits.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the screenshots; created if missing")
    parser.add_argument("--readme", type=Path, help="also take the README's screenshots, into this folder")
    given = parser.parse_args()
    for place in (given.folder, given.readme):
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(given.folder, given.readme))
