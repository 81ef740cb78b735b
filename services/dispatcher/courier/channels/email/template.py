"""The survey email as HTML and as text: compiled and encoded once, filled for each recipient."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from re import compile as pattern

import mrml
from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape
from markupsafe import escape

from services.dispatcher.courier.channels.email.words import Wording
from shared.contracts.campaigns import Brand
from shared.mail.message import Body
from shared.mail.quoted_printable import Frame, gap
from shared.nps import SCORES, Group, group_of
from shared.web.accent import DARK_SURFACES, LIGHT_SURFACES, accent

FOLDER = Path(__file__).parent
MAX_HTML_BYTES = 102_400
"""Beyond this Gmail clips a message, and with it the unsubscribe link."""

_accent = lru_cache(100)(accent)
_LINK = pattern(r"https?://[A-Za-z0-9\[][!#-;=?-\[\]_a-z{|}~]{1,900}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a group's numbers look in light mode; ``survey.mjml`` has the dark mode.

    The red, yellow and green differ in the lightness of their borders, for colour-blind readers, and the corners get
    rounder from group to group, so that the groups can be told apart without colour.
    """

    fill: str
    edge: str
    ink: str
    corner: str


LOOKS: Mapping[Group, Look] = {
    "detractor": Look(fill="#fce4e1", edge="#a4221a", ink="#7a1812", corner="4px"),
    "passive": Look(fill="#fff4cc", edge="#b08000", ink="#5a4100", corner="12px"),
    "promoter": Look(fill="#d9f2e6", edge="#00734f", ink="#004d36", corner="24px"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One of the eleven numbers; only the ends of the scale have a ``label``."""

    score: int
    url: str
    label: str

    @property
    def group(self) -> Group:
        return group_of(self.score)

    @property
    def look(self) -> Look:
        return LOOKS[self.group]


@dataclass(frozen=True, slots=True)
class Frames:
    """Both parts of a message, with gaps for what differs from one to the next."""

    text: Frame
    html: Frame


class SurveyTemplate:
    """The compiled templates of this folder. Values are escaped; only http(s) links are accepted."""

    def __init__(self, folder: Path = FOLDER) -> None:
        sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("survey.*"))}
        sources["target.html"] = (folder / "target.html").read_text(encoding="utf-8").strip()
        # No web fonts: an email that loads remote content reveals that it was opened.
        compiled = mrml.to_html(sources["survey.mjml"], mrml.ParserOptions(), mrml.RenderOptions(fonts={}))
        sources["survey.html"] = compiled.content
        environment = Environment(
            loader=DictLoader(sources),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._html = environment.get_template("survey.html")
        self._text = environment.get_template("survey.txt")
        self._frames: dict[frozenset[str], Frames] = {}

    def render(self, words: Wording, brand: Brand, *, answer_url: str, unsubscribe_url: str) -> Body:
        """Both parts of one message. Raises ValueError when a link is not http(s)."""
        answer_url, unsubscribe_url = _http_url(answer_url), _http_url(unsubscribe_url)
        joint = "&" if "?" in answer_url else "?"
        values = {
            "language": words.language,
            "brand": words.brand,
            "logo_url": brand.logo_url or "",
            "accent": _accent(brand.color, LIGHT_SURFACES).color,
            "accent_dark": _accent(brand.color, DARK_SURFACES).color,
            "subject": words.subject,
            "introduction": words.introduction,
            "question": words.question,
            "least_likely": words.least_likely,
            "most_likely": words.most_likely,
            "why": words.why,
            "unsubscribe": words.unsubscribe,
            "unsubscribe_url": unsubscribe_url,
            **{f"url_{score}": f"{answer_url}{joint}score={score}" for score in SCORES},
        }
        frames = self._frames_for(values)
        escaped = {name: str(escape(value)) for name, value in values.items()}
        return Body(text=frames.text.filled(values), html=frames.html.filled(escaped))

    def _frames_for(self, values: Mapping[str, str]) -> Frames:
        """The templates, rendered with a gap in place of every value. They only ask whether there is one."""
        given = frozenset(name for name, value in values.items() if value)
        if given not in self._frames:
            gaps = {name: gap(name) if name in given else "" for name in values}
            labels = {0: gaps["least_likely"], 10: gaps["most_likely"]}
            targets = [Target(score=score, url=gaps[f"url_{score}"], label=labels.get(score, "")) for score in SCORES]
            context = {**gaps, "targets": targets}
            self._frames[given] = Frames(text=Frame(self._text.render(context)), html=Frame(self._html.render(context)))
        return self._frames[given]


def _http_url(url: str) -> str:
    # No blanks or control characters, so that it is safe in a header, too.
    if not _LINK.fullmatch(url):
        raise ValueError(
            "a survey's link must be an http or https URL of plain characters; check HEARBACK_PUBLIC_COLLECTOR_URL"
        )
    return url
