"""The simulated shop's customers: five countries, their regions and languages, and how often deliveries are late."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Region:
    """``late`` is the share of shipments delivered after the promised day."""

    code: str
    late: float


@dataclass(frozen=True, slots=True)
class Country:
    """``locales`` as found in real shops: with and without a territory, in old and new codes."""

    code: str
    currency: str
    timezone: str
    locales: tuple[str, ...]
    regions: tuple[Region, ...]
    given_names: tuple[str, ...]
    share: int


COUNTRIES = (
    Country(
        "BR", "BRL", "America/Sao_Paulo", ("pt-BR", "pt"),
        (Region("SP", 0.08), Region("RJ", 0.22), Region("BA", 0.55)),
        ("Ana", "João", "Beatriz", "Caio", "Helena", "Rafael"), 35,
    ),
    Country(
        "GB", "GBP", "Europe/London", ("en-GB", "en"),
        (Region("England", 0.10), Region("Scotland", 0.18), Region("Wales", 0.14)),
        ("Olivia", "Harry", "Isla", "George", "Freya", "Noah"), 25,
    ),
    Country(
        "KR", "KRW", "Asia/Seoul", ("ko-KR", "ko"),
        (Region("Seoul", 0.03), Region("Busan", 0.08)),
        ("지민", "서연", "민준", "하은", "도윤"), 15,
    ),
    Country(
        "CN", "CNY", "Asia/Shanghai", ("zh-CN", "zh-Hans"),
        (Region("Shanghai", 0.05), Region("Guangdong", 0.12), Region("Xinjiang", 0.45)),
        ("伟", "芳", "娜", "强", "静"), 15,
    ),
    Country(
        "NO", "NOK", "Europe/Oslo", ("nb-NO", "no"),
        (Region("Oslo", 0.04), Region("Vestland", 0.15), Region("Finnmark", 0.40)),
        ("Ingrid", "Lars", "Sigrid", "Håkon", "Nora"), 10,
    ),
)  # fmt: skip

TIERS = ("bronze", "bronze", "bronze", "silver", "silver", "gold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer. The prefix of ``address`` tells the simulated mail server how to treat mail to it."""

    id: str
    name: str
    address: str
    country: Country
    region: Region
    locale: str
    tier: str


def draw_person(random: Random, number: int) -> Person:
    """The ``number``-th customer. Some mailboxes bounce, some greylist the first email."""
    country = random.choices(COUNTRIES, [country.share for country in COUNTRIES])[0]
    mailbox = random.choices(("", "bounce-", "grey-"), (96, 2, 2))[0]
    return Person(
        id=f"c-{number:06d}",
        name=random.choice(country.given_names),
        address=f"{mailbox}customer{number}@customers.example",
        country=country,
        region=random.choice(country.regions),
        locale=random.choice(country.locales),
        tier=random.choice(TIERS),
    )
