"""Pages: a service's templates layered over the shared ones, static files, and security headers.

A service has ``web/templates`` and ``web/static``; anything else is looked up in ``shared/web``. Every page
has a Content-Security-Policy that allows nothing from other origins except the shop's logo.
"""

import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from shared.contracts.campaigns import Brand
from shared.web.accent import accent_style

SHARED = Path(__file__).parent
STATIC_PATH = "/static"
_HOST = re.compile(r"[a-z0-9.-]+")
_YEAR = "public, max-age=31536000, immutable"
_CHECK_AGAIN = "no-cache"


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


def templates(service_folder: Path, base_path: str = "") -> Pages:
    """The pages of the service whose package is ``service_folder``, such as ``Path(__file__).parent``; ``base_path`` is
    as for ``create_app``."""
    return Pages((service_folder / "web", SHARED), base_path)


def mount_static(app: FastAPI, service_folder: Path) -> None:
    """Serves ``web/static`` of the service, then the shared static files, under ``/static``, without a key."""
    app.mount(STATIC_PATH, _LayeredStaticFiles((service_folder / "web", SHARED)), name="static")


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


def static_address(folders: tuple[Path, ...], base_path: str = "") -> Callable[[str], str]:
    """A function that returns the path of a static file's URL, and in its query a hash of the content, so that browsers
    may cache it permanently. It raises FileNotFoundError for a file that is in none of ``folders``.
    """

    @cache
    def address(name: str) -> str:
        for folder in folders:
            file = folder / "static" / name
            if file.is_file():
                return f"{base_path}{STATIC_PATH}/{name}?v={sha256(file.read_bytes()).hexdigest()[:12]}"
        places = ", ".join(str(folder / "static") for folder in folders)
        raise FileNotFoundError(f"no static file {name!r} in {places}")

    return address


class _LayeredStaticFiles(StaticFiles):
    """Serves a static file from the first folder that has it; it is cached for as long as its URL names its content.

    While replicas are upgraded one by one, an old page may ask a new replica for its own version of a file.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        super().__init__()
        self.all_directories = [folder / "static" for folder in folders]
        self._address = static_address(folders)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        version = scope["query_string"].decode("ascii", "replace")
        if response.status_code < 300 and version:
            current = self._address(path.replace("\\", "/")) == f"{STATIC_PATH}/{path}?{version}"
            response.headers["Cache-Control"] = _YEAR if current else _CHECK_AGAIN
        else:
            response.headers["Cache-Control"] = _CHECK_AGAIN
        return response


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
