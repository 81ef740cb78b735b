"""Pages: a service's templates layered over the shared ones, and security headers.

A service has ``web/templates``; anything else is looked up in ``shared/web``. Every page has a Content-Security-Policy
that allows nothing from other origins except the shop's logo.
"""

import asyncio
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse

from shared.contracts.campaigns import Brand
from shared.web.accent import accent_style
from shared.web.static_files import SHARED, static_address

_HOST = re.compile(r"[a-z0-9.-]+")
_SLICE_SECONDS = 0.001
_PIECES_BETWEEN_LOOKS = 100


class Pages(Jinja2Templates):
    """``TemplateResponse(request, name, context)`` as in Starlette, with the page headers set.

    Templates have ``static("base.css")``, the URL of a static file, which changes with its content;
    ``accent_style(color)``, the CSS of the brand's accent; ``csp_nonce`` for the page's own style element; and
    ``brand`` from the context, the origin of whose ``logo_url`` is allowed for images.
    """

    def __init__(self, folders: tuple[Path, ...], base_path: str = "") -> None:
        environment = Environment(
            loader=FileSystemLoader([folder / "templates" for folder in folders]),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(static=static_address(folders, base_path), accent_style=accent_style)
        super().__init__(env=environment)
        self._one_at_a_time = asyncio.Lock()

    def TemplateResponse(  # type: ignore[override]  # noqa: N802  # Starlette's name; HTMLResponse is what it is
        self,
        request: Request,
        name: str,
        context: dict[str, Any] | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        values = {"brand": None, **(context or {}), "csp_nonce": nonce}
        safe = page_headers(nonce, values["brand"])
        return super().TemplateResponse(
            request, name, values, status_code, {**safe, **(headers or {})}, media_type, background
        )

    async def respond(
        self,
        request: Request,
        name: str,
        context: Mapping[str, Any],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Like ``TemplateResponse``, for pages that take milliseconds: see ``render``."""
        nonce = secrets.token_urlsafe(16)
        values = {"brand": None, **context, "request": request, "csp_nonce": nonce}
        content = await self.render(name, values)
        return HTMLResponse(content, status_code, {**page_headers(nonce, values["brand"]), **(headers or {})})

    async def render(self, name: str, context: Mapping[str, Any]) -> Markup:
        """The template's text. Pages are rendered one at a time, with turns in between for whatever else is to be done:
        twenty people who open a page at once hold up no batch for longer than ``_SLICE_SECONDS`` each."""
        pieces: list[str] = []
        async with self._one_at_a_time:
            rendering = self.env.get_template(name).generate(context)
            began = time.perf_counter()
            while rendered := list(islice(rendering, _PIECES_BETWEEN_LOOKS)):
                pieces += rendered
                if time.perf_counter() - began > _SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began = time.perf_counter()
        await asyncio.sleep(0)
        return Markup("".join(pieces))  # noqa: S704  # the template has escaped it


def templates(service_folder: Path, base_path: str = "") -> Pages:
    """The pages of the service whose package is ``service_folder``, such as ``Path(__file__).parent``; ``base_path`` is
    as for ``create_app``."""
    return Pages((service_folder / "web", SHARED), base_path)


def page_headers(nonce: str, brand: Brand | None = None) -> dict[str, str]:
    """Headers of every page. Its URL may contain a customer's token, so no other site gets it as a referrer, and it is
    never cached. With ``no-referrer``, browsers would send our own forms with ``Origin: null`` (``auth``).

    ``nonce`` is that of the page's own style element. The brand's accent is allowed by its hash, which stays the same
    when a script replaces this page with the next one.
    """
    styles = f"'nonce-{nonce}'"
    if brand is not None:
        digest = sha256(accent_style(brand.color).encode()).digest()
        styles += f" 'sha256-{b64encode(digest).decode()}'"
    pictures = " ".join(("'self' data: blob:", *_origin(brand.logo_url if brand else None)))
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self' {styles}; img-src {pictures}; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Robots-Tag": "noindex, nofollow",
    }


def _origin(address: str | None) -> tuple[str, ...]:
    """The origin of an image's URL as a source of the policy; empty unless it is a plain http(s) URL."""
    try:
        parts = urlsplit(address or "")
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        return ()
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ()
    return (f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}",)
