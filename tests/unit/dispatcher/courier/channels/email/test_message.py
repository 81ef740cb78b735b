"""The e-mail: whole, short, in every language, harmless whatever a customer is called."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatcher.courier.channels.email.message import Sender, compose, message_id
from services.dispatcher.courier.channels.email.template import FOLDER, LONGEST_MAIL, LOOKS, SurveyTemplate
from services.dispatcher.courier.channels.email.words import Wording, wording
from services.dispatcher.courier.domain.addresses import mailbox
from shared.contracts.campaigns import Brand, CampaignPublished, CampaignTexts
from shared.contracts.sends import Recipient, SurveySent
from shared.locales import SUPPORTED
from shared.texts import words as shared_words
from shared.texts.words import load_texts
from shared.web.colour import contrast

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
COMMON = load_texts(shared_words.COMMON)
MAIL = load_texts(FOLDER / "texts")
TEMPLATE = SurveyTemplate()
SENDER = Sender(mailbox("surveys@shop.test"))
PRODUCTS = {"en": "Wooden train", "pt": "Trem de madeira", "ko": "나무 기차", "zh": "木制火车", "nb": "Togbane"}


def survey(name: str | None = "Ana", product: str | None = "Wooden train", **changes: Any) -> SurveySent:
    return SurveySent.model_validate(
        {
            "send_id": "0b5fe3c7-30c1-5b11-9f9f-111111111111",
            "campaign": "service-nps",
            "campaign_version": 1,
            "channel": "email",
            "locale": "en",
            "customer_id": "c-1",
            "recipient": Recipient(address="ana@example.com", name=name),
            "order_id": "1001",
            "product": product,
            "segments": {},
            "answer_url": "https://answers.test/s/token",
            "unsubscribe_url": "https://answers.test/unsubscribe/token",
            "due_at": NOW,
            "sent_at": NOW,
            "expires_at": NOW + timedelta(days=30),
            **changes,
        }
    )


def campaign(
    subject: str = "service", texts: Mapping[str, CampaignTexts] | None = None, **brand: Any
) -> CampaignPublished:
    return CampaignPublished(
        campaign="service-nps",
        campaign_version=1,
        subject_of_question=subject,
        brand=Brand(**{"name": "Fjord & Fell", **brand}),
        texts=dict(texts or {}),
    )


def mail(sent: SurveySent, under: CampaignPublished) -> tuple[Wording, EmailMessage]:
    words = wording(sent, under, COMMON, MAIL)
    parts = TEMPLATE.render(words, under.brand, sent.answer_url, sent.unsubscribe_url)
    identity = message_id(sent.send_id, SENDER.mailbox)
    letter = compose(sent, mailbox(sent.recipient.address), SENDER, identity, words, parts, NOW)
    message = message_from_bytes(letter.content, policy=default)
    assert isinstance(message, EmailMessage)
    return words, message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


class Page(HTMLParser):
    """What a reader sees, the links, and how each tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.images: list[dict[str, str | None]] = []
        self.language: str | None = None
        self._hidden = 0
        self.feed(re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        if tag in ("style", "title"):
            self._hidden += 1
        if tag == "html":
            self.language = known.get("lang")
        if tag == "a":
            self.links.append((known.get("href") or "", ""))
        if tag == "img":
            self.images.append(known)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "title"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.text.append(" ".join(data.split()))
            if self.links and not self.links[-1][1]:
                self.links[-1] = (self.links[-1][0], data.strip())


@pytest.mark.parametrize("language", SUPPORTED)
@pytest.mark.parametrize("subject", ["brand", "service", "product"])
def test_every_language_asks_one_question_with_eleven_answers_in_at_most_sixty_words(
    language: str, subject: str
) -> None:
    words, message = mail(survey(locale=language, product=PRODUCTS[language]), campaign(subject))
    page = Page(part(message, "html"))
    assert page.language == language == message["Content-Language"]
    targets = [(link, text) for link, text in page.links if "score=" in link]
    assert targets == [(f"https://answers.test/s/token?score={score}", str(score)) for score in range(11)]
    shown = " ".join(page.text)
    for text in (words.introduction, words.question, words.least_likely, words.most_likely, words.why, words.brand):
        assert text in shown
    assert page.links[-1] == ("https://answers.test/unsubscribe/token", words.unsubscribe)
    assert len([word for word in shown.split() if not word.isdigit()]) <= 60
    assert not re.search(r"[{}]", shown + str(message["Subject"]))


@pytest.mark.parametrize("language", SUPPORTED)
def test_the_text_part_says_the_same(language: str) -> None:
    words, message = mail(survey(locale=language), campaign())
    text = part(message, "plain")
    for line in (words.introduction, words.question, words.least_likely, words.most_likely, words.why):
        assert line in text
    for score in range(11):
        assert f"https://answers.test/s/token?score={score}\n" in text.replace("\r\n", "\n")
    assert "https://answers.test/unsubscribe/token" in text


def test_the_headers_are_those_of_a_mail_one_can_unsubscribe_from_and_recognise_again() -> None:
    _, message = mail(survey(), campaign())
    assert message["Message-ID"] == "<0b5fe3c7-30c1-5b11-9f9f-111111111111@shop.test>"
    assert message["X-Hearback-Send-Id"] == "0b5fe3c7-30c1-5b11-9f9f-111111111111"
    assert message["From"] == "Fjord & Fell <surveys@shop.test>"
    assert message["List-Unsubscribe"] == "<https://answers.test/unsubscribe/token>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert message.defects == []


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(lambda text: "\x00" not in text)


@settings(max_examples=150, deadline=None)
@given(name=anything, product=anything, brand=anything.filter(bool), subject=anything)
def test_nothing_a_person_or_product_is_called_adds_a_header_a_tag_or_a_placeholder(
    name: str, product: str, brand: str, subject: str
) -> None:
    texts = {"en": CampaignTexts(subject=subject or None, question="{name}|{product}|{brand}")}
    words, message = mail(survey(name=name, product=product), campaign("product", texts, name=brand))
    plain, _ = mail(survey(), campaign()), None
    assert message.keys() == plain[1].keys()
    assert message.defects == []
    assert str(message["Subject"]).split() == words.subject.split()
    page, expected = Page(part(message, "html")), Page(part(plain[1], "html"))
    assert [link for link, _ in page.links] == [link for link, _ in expected.links]
    assert page.images == []


@pytest.mark.parametrize("attack", ["a\r\nBcc: all@example.com", "a\nX-Spam: no", "a\x0b\x0c\x85\u2028b", '"><script>'])
def test_line_breaks_and_tags_stay_text(attack: str) -> None:
    _, message = mail(survey(name=attack, product=attack), campaign("product", name=attack))
    assert message["Bcc"] is None and message["X-Spam"] is None
    assert "<script" not in part(message, "html")


@pytest.mark.parametrize(
    "name",
    [
        "http://evil.test", "win www.evil.test", "ana@example.com", "evil.com/now", "A" * 61,
        "visit evil.com today", "скидки на сайт.рф", "evil.com.",
    ],
)  # fmt: skip
def test_what_is_no_name_is_not_greeted(name: str) -> None:
    words, message = mail(survey(name=name), campaign())
    assert words.introduction == MAIL["en"]["introduction_service_unnamed"]
    assert name not in part(message, "html") and message["To"] == "ana@example.com"


@pytest.mark.parametrize("name", ["Ana M. Souza", "J. R. R. Tolkien", "O'Neil-Sørensen", "김민지", "王 小明", "Zoë"])
def test_what_is_a_name_is_greeted(name: str) -> None:
    words, _ = mail(survey(name=name), campaign())
    assert words.introduction.startswith(f"Hi {name}, ")


def test_a_name_does_not_turn_the_text_around() -> None:
    words, message = mail(survey(name="\u202eanA\u2066"), campaign())
    assert words.introduction.startswith("Hi anA, ")
    assert not set("\u202e\u2066") & set(part(message, "html") + part(message, "plain") + str(message["To"]))


def test_a_campaigns_own_texts_go_first_and_hearbacks_fill_the_gaps() -> None:
    texts = {"pt-BR": CampaignTexts(question="Recomendaria {brand}, {name}?", introduction="Oi, {name}.")}
    words = wording(survey(locale="pt"), campaign(texts=texts), COMMON, MAIL)
    assert words.question == "Recomendaria Fjord & Fell, Ana?"
    assert words.introduction == "Oi, Ana."
    assert words.subject == "Como foi o seu pedido em Fjord & Fell?"
    nameless = wording(survey(locale="pt", name=None), campaign(texts=texts), COMMON, MAIL)
    assert nameless.introduction == MAIL["pt"]["introduction_service_unnamed"]
    assert wording(survey(locale="ko"), campaign(texts=texts), COMMON, MAIL).language == "ko"


def test_a_brace_in_a_value_is_not_filled_again() -> None:
    words = wording(survey(product="{brand} {name}"), campaign("product"), COMMON, MAIL)
    assert "{brand} {name}" in words.question


def test_a_long_product_is_cut() -> None:
    words = wording(survey(product="Train " * 60), campaign("product"), COMMON, MAIL)
    assert "Train…" in words.question and len(words.question) < 150


def test_without_pictures_the_shop_is_still_named() -> None:
    _, message = mail(survey(), campaign(logo_url="https://shop.test/logo.png"))
    [image] = Page(part(message, "html")).images
    assert image["src"] == "https://shop.test/logo.png" and image["alt"] == "Fjord & Fell"


def test_the_html_loads_nothing_and_is_never_cut_off() -> None:
    _, message = mail(survey(locale="ko"), campaign())
    html = part(message, "html")
    assert len(html.encode()) < LONGEST_MAIL / 2
    assert not re.search(r"<(script|link|iframe|img)|@import|url\(|googleapis", html)
    assert all(len(line) <= 78 for line in message.as_bytes().splitlines())


def test_numbers_are_readable_on_their_colours_and_edges_seen_on_the_page() -> None:
    for look in LOOKS.values():
        assert contrast(look.ink, look.fill) >= 4.5
        assert contrast(look.edge, "#ffffff") >= 3
    assert len({look.corner for look in LOOKS.values()}) == len(LOOKS), "the groups differ by colour alone"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.test/\r\nBcc: x", 'https://a.test/"', "https://", "/s/1"]
)
def test_a_link_that_is_no_web_address_is_refused(url: str) -> None:
    words = wording(survey(), campaign(), COMMON, MAIL)
    with pytest.raises(ValueError, match="HEARBACK_PUBLIC_COLLECTOR_URL"):
        TEMPLATE.render(words, campaign().brand, url, "https://answers.test/u")
    with pytest.raises(ValueError, match="HEARBACK_PUBLIC_COLLECTOR_URL"):
        TEMPLATE.render(words, campaign().brand, "https://answers.test/s", url)


def test_a_send_id_that_is_no_plain_word_still_has_one_message_id() -> None:
    strange = message_id("a b>\u00e9", SENDER.mailbox)
    assert re.fullmatch(r"<[0-9a-f]{64}@shop\.test>", strange)
    assert strange == message_id("a b>\u00e9", SENDER.mailbox) != message_id("a b>", SENDER.mailbox)
