"""Every template nests its elements as HTML allows, so that browsers and screen readers build the tree we meant."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[4]
TEMPLATES = sorted(
    file
    for top in ("services", "shared", "deploy")
    for file in (PROJECT / top).rglob("*.html")
    if "templates" in file.parts
)
HEADINGS = {f"h{level}" for level in range(1, 7)}
BLOCKS = HEADINGS | {"address", "article", "aside", "blockquote", "div", "dl", "fieldset", "figure", "footer", "form"}
BLOCKS |= {"header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul"}
ONLY_PHRASES = HEADINGS | {"button", "label", "p", "span", "summary"}
"""May hold text and what goes along in a line of it. ``legend`` and ``summary`` may hold headings, too."""
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


class Nesting(HTMLParser):
    """Collects blocks that stand where only phrases may."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # the base class hands them over
        if tag in BLOCKS:
            for outer in self.open:
                if outer in ONLY_PHRASES and not (outer == "summary" and tag in HEADINGS):
                    self.wrong.append(f"line {self.getpos()[0]}: <{tag}> in <{outer}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            # Branches of a condition may open an element twice and close it once.
            while self.open.pop() != tag:
                pass


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 20


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_no_block_stands_within_a_line_of_text(file: Path) -> None:
    nesting = Nesting()
    nesting.feed(_JINJA.sub(lambda found: "\n" * found.group().count("\n"), file.read_text()))
    assert nesting.wrong == []


def test_a_heading_in_a_label_is_found() -> None:
    nesting = Nesting()
    nesting.feed("<legend><h1>a</h1></legend><br><label for=x><h1>a</h1></label><p>a<br>b</p><h2>a</h2>")
    assert nesting.wrong == ["line 1: <h1> in <label>"]
