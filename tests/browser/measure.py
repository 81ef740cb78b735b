"""Measures a rendered page: the contrast and size of its texts, and whether anything overflows."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Frame, Page

from shared.web.accent import TEXT_CONTRAST, contrast

SMALLEST = 16
"""CSS pixels."""

# Every visible piece of text, with its size, its colour and its background, both as #rrggbb. Colours are read back
# from a canvas, which understands every CSS notation; translucent ones are blended with what is below.
_TEXTS = """
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = "#000";
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below, opacity = 1) => {
    const alpha = top[3] * opacity;
    return [0, 1, 2].map((at) => top[at] * alpha + below[at] * (1 - alpha)).concat(1);
  };
  const hex = (color) => "#" + color.slice(0, 3).map((part) => Math.round(part).toString(16).padStart(2, "0")).join("");
  const chain = (element) => {
    const all = [];
    for (let one = element; one; one = one.parentElement) all.unshift(one);
    return all;
  };
  const ground = (element) => {
    const probe = document.createElement("i");
    probe.style.setProperty("color", "Canvas");
    document.documentElement.append(probe);
    const canvasColor = rgba(getComputedStyle(probe).color);
    probe.remove();
    return chain(element).reduce((below, one) => over(rgba(getComputedStyle(one).backgroundColor), below), canvasColor);
  };
  const opacity = (element) => chain(element).reduce((all, one) => all * Number(getComputedStyle(one).opacity), 1);
  const found = [];
  const take = (words, element, color) => {
    const below = ground(element);
    const ink = over(rgba(color), below, opacity(element));
    const size = parseFloat(getComputedStyle(element).fontSize);
    found.push({ words: words.trim().slice(0, 40), ink: hex(ink), ground: hex(below), size });
  };
  const seen = (element, box) => {
    const style = getComputedStyle(element);
    return style.visibility === "visible" && box.width > 1 && box.height > 1 && element.checkVisibility()
      && !element.closest(":disabled") && box.right > 0 && box.bottom > 0;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("script, style, template, option, datalist")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    if (!seen(element, range.getBoundingClientRect()) || element.closest(".visually-hidden")) continue;
    const style = getComputedStyle(element);
    take(node.data, element, element instanceof SVGElement ? style.fill : style.color);
  }
  for (const field of document.querySelectorAll("input:not([type=radio]), textarea, select")) {
    if (!seen(field, field.getBoundingClientRect())) continue;
    if (field.value) take(field.value, field, getComputedStyle(field).color);
    else if (field.placeholder) take(field.placeholder, field, getComputedStyle(field, "::placeholder").color);
  }
  return found;
}
"""

# Waits for finite animations, so that colours have faded in; infinite ones are ignored.
_SETTLED = """
() => Promise.allSettled(
  document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished)
)
"""

# Elements wider than the window, unless they scroll in their own box or are hidden.
_STICKING_OUT = """
() => {
  const width = document.documentElement.clientWidth;
  const boxed = (element) => {
    for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
      if (getComputedStyle(one).overflowX !== "visible") return one.getBoundingClientRect().right <= width + 1;
    }
    return false;
  };
  const found = [...document.body.querySelectorAll("*")].filter((element) => {
    const box = element.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1 || !element.checkVisibility()) return false;
    const out = box.right > width + 1 || (box.left < -1 && box.right > 0);
    return out && !boxed(element) && !element.closest(".skip-link");
  }).map((element) => element.outerHTML.slice(0, 120));
  const scrolls = document.scrollingElement.scrollWidth > width + 1;
  return scrolls && !found.length ? ["the page scrolls sideways"] : found;
}
"""


@dataclass(frozen=True, slots=True)
class Text:
    words: str
    ink: str
    ground: str
    size: float

    @property
    def contrast(self) -> float:
        return contrast(self.ink, self.ground)

    def __str__(self) -> str:
        return f"{self.words!r}: {self.ink} on {self.ground} is {self.contrast:.2f}, {self.size:g} px"


async def texts(page: Page | Frame) -> list[Text]:
    """The page's visible texts with their colours, including those scrolled out of sight."""
    await page.evaluate(_SETTLED)
    found: list[dict[str, Any]] = await page.evaluate(_TEXTS)
    return [Text(**one) for one in found]


async def hard_to_read(page: Page | Frame) -> list[str]:
    """Texts with less contrast than WCAG AA requires of small ones (1.4.3), and those smaller than 16 px."""
    found = await texts(page)
    assert found, "there is nothing to read on this page"
    return [str(text) for text in found if text.contrast < TEXT_CONTRAST or text.size < SMALLEST]


async def sticking_out(page: Page | Frame) -> list[str]:
    """What causes horizontal scrolling: the beginnings of elements that are wider than the window."""
    found: list[str] = await page.evaluate(_STICKING_OUT)
    return found
