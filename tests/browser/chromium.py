"""The machine's Chromium, and the rules every page must follow while it is open."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, async_playwright, expect

WIDE = 1280
PHONE = 360
NARROWEST = 320
PATIENCE_MILLISECONDS = 20_000

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-sync", "--no-first-run",
)  # fmt: skip


def chromium() -> str | None:
    """The path of Chromium; None on a machine without it. The headless shell, a package of its own, uses a quarter less
    of a core for the same pages."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@asynccontextmanager
async def launched(path: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield browser
        await browser.close()


@dataclass
class Visits:
    """Opens pages, each in a fresh browser context, and records requests and errors in the background."""

    browser: Browser
    strangers: list[str] = field(default_factory=list)
    """URLs a page requested from other origins."""
    errors: list[str] = field(default_factory=list)
    """Script errors, and violations of the page's Content-Security-Policy."""
    _contexts: list[BrowserContext] = field(default_factory=list)

    async def open(self, address: str, *, width: int = WIDE, script: bool = True, **more: Any) -> Page:
        """A page at ``address``. ``more`` goes to Playwright's ``new_context``: color_scheme, storage_state, …"""
        page = await self.blank(width=width, script=script, **more)
        await page.goto(address)
        return page

    async def blank(self, *, width: int = WIDE, script: bool = True, **more: Any) -> Page:
        viewport: Any = {"width": width, "height": 800}
        context = await self.browser.new_context(viewport=viewport, java_script_enabled=script, **more)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.on("request", self._asked)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", self._said)
        self._contexts.append(context)
        return await context.new_page()

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request() or urlsplit(request.url).scheme in ("data", "blob"):
            return
        try:
            origin = _origin(request.frame.url)
        except Error:  # a detached frame, or a worker, which none of these pages has
            origin = "nowhere"
        if _origin(request.url) != origin:
            self.strangers.append(f"{origin} asked {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
