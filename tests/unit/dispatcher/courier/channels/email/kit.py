"""A survey, its campaign and its email, as a reader's mail program takes it apart."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

from services.dispatcher.courier.channels.email.message import survey_email
from services.dispatcher.courier.channels.email.template import SurveyTemplate
from services.dispatcher.courier.channels.email.words import MAIL_TEXTS, Wording, wording
from shared.contracts.campaigns import Brand, CampaignPublished, CampaignTexts, SubjectOfQuestion
from shared.contracts.sends import Recipient, SurveySent
from shared.mail.addresses import mailbox
from shared.mail.message import Sender, message_id
from shared.texts.words import COMMON, load_texts

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
TEXTS = load_texts(COMMON, MAIL_TEXTS)
TEMPLATE = SurveyTemplate()
SENDER = mailbox("surveys@shop.test")


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
    subject: SubjectOfQuestion = "service", texts: Mapping[str, CampaignTexts] | None = None, **brand: Any
) -> CampaignPublished:
    return CampaignPublished(
        campaign="service-nps",
        campaign_version=1,
        subject_of_question=subject,
        brand=Brand(**{"name": "Fjord & Fell", **brand}),
        texts=dict(texts or {}),
    )


def mail(sent: SurveySent, under: CampaignPublished) -> tuple[Wording, EmailMessage]:
    words = wording(sent, under, TEXTS)
    written = survey_email(
        sent,
        identity=message_id(sent.send_id, SENDER),
        sender=Sender(mailbox=SENDER, name=words.brand),
        to=mailbox(sent.recipient.address),
        words=words,
        body=TEMPLATE.render(words, under.brand, answer_url=sent.answer_url, unsubscribe_url=sent.unsubscribe_url),
        now=NOW,
    )
    message = message_from_bytes(written.content, policy=default)
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
