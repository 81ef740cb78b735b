"""The email's two parts: whole, short, in every language, readable without colours and pictures."""

import re
from typing import get_args

import pytest

from services.dispatcher.courier.channels.email.template import LOOKS, MAX_HTML_BYTES
from services.dispatcher.courier.channels.email.words import wording
from shared.contracts.campaigns import SubjectOfQuestion
from shared.locales import SUPPORTED
from shared.web.accent import contrast
from tests.unit.dispatcher.courier.channels.email.kit import TEMPLATE, TEXTS, Page, campaign, mail, part, survey

PRODUCTS = {
    "en": "Wooden train",
    "pt": "Trem de madeira",
    "ko": "나무 기차",
    "zh": "木制火车",
    "zh-Hant": "木製火車",
    "nb": "Togbane",
}


@pytest.mark.parametrize("language", SUPPORTED)
@pytest.mark.parametrize("subject", get_args(SubjectOfQuestion))
def test_every_language_asks_one_question_with_eleven_answers_in_at_most_sixty_words(
    language: str, subject: SubjectOfQuestion
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


def test_without_pictures_the_shop_is_still_named() -> None:
    _, message = mail(survey(), campaign(logo_url="https://shop.test/logo.png"))
    [image] = Page(part(message, "html")).images
    assert image["src"] == "https://shop.test/logo.png" and image["alt"] == "Fjord & Fell"


def test_the_html_loads_nothing_and_is_never_cut_off() -> None:
    _, message = mail(survey(locale="ko"), campaign())
    html = part(message, "html")
    assert len(html.encode()) < MAX_HTML_BYTES / 2
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
    words = wording(survey(), campaign(), TEXTS)
    with pytest.raises(ValueError, match="HEARBACK_PUBLIC_COLLECTOR_URL"):
        TEMPLATE.render(words, campaign().brand, answer_url=url, unsubscribe_url="https://answers.test/u")
    with pytest.raises(ValueError, match="HEARBACK_PUBLIC_COLLECTOR_URL"):
        TEMPLATE.render(words, campaign().brand, answer_url="https://answers.test/s", unsubscribe_url=url)
