"""Authentication and authorisation: API keys with scopes for machines; staff sign in to pages with the same keys.

Only the SHA-256 of a key is stored: keys are long and random, so a slow hash would not make them safer.
"""

import hashlib
import hmac
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from itsdangerous import BadSignature, URLSafeTimedSerializer

from shared.api_keys import SCOPES, Caller, read_keys
from shared.contracts.campaigns import Brand
from shared.settings import ServiceSettings
from shared.web.pages import Pages
from shared.web.problems import Problem
from shared.web.throttle import Failures

COOKIE = "hearback_session"
SESSION_SECONDS = 12 * 3_600
MAX_KEY = 500

_bearer = HTTPBearer(auto_error=False, description="An API key with the scope the operation names.")


class Authenticator:
    """Checks the keys, and signs the sessions of staff who signed in with one.

    The first of ``secrets`` signs; a session of any of them is valid.
    """

    def __init__(self, *, keys: str, secrets: Sequence[str]) -> None:
        self._callers = read_keys(keys)
        # itsdangerous signs with the last one.
        self._sessions = URLSafeTimedSerializer(list(reversed(secrets)), salt="hearback.session")

    def caller(self, key: str) -> Caller | None:
        digest = hashlib.sha256(key.encode()).hexdigest()
        found = None
        for known, caller in self._callers.items():
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def session_for(self, key: str) -> str:
        return self._sessions.dumps(hashlib.sha256(key.encode()).hexdigest())

    def caller_of_session(self, session: str) -> Caller | None:
        """None when it is forged, expired, or its key was revoked."""
        try:
            digest = self._sessions.loads(session, max_age=SESSION_SECONDS)
        except BadSignature:
            return None
        return self._callers.get(digest) if isinstance(digest, str) else None


class SignInNeeded(Exception):
    """A page was requested without signing in."""


def require(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency that returns the caller, whose API key has ``scope``; a 401 or 403 problem otherwise."""
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is not a scope; scopes are {', '.join(SCOPES)}")

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        caller = _caller(request, credentials)
        if caller is None:
            raise Problem(
                401,
                "API key required",
                detail="send the header Authorization: Bearer <key>; keys are configured in HEARBACK_API_KEYS",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not caller.may(scope):
            raise Problem(403, "Access denied", detail=f"this needs the scope {scope}")
        return caller

    return check


def staff(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency for pages: like ``require``, but without a session it redirects to the sign-in page."""
    checked = require(scope)

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        if _caller(request, credentials) is None:
            raise SignInNeeded
        return await checked(request, credentials)

    return check


def _caller(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller | None:
    authenticator: Authenticator = request.app.state.authenticator
    if credentials is not None:
        return authenticator.caller(credentials.credentials)
    session = request.cookies.get(COOKIE)
    if session is None or not _is_same_site(request):
        return None
    return authenticator.caller_of_session(session)


def _is_same_site(request: Request) -> bool:
    """CSRF protection: a session is only valid for changes that one of our pages sends, according to the browser.

    Browsers send Sec-Fetch-Site only over TLS and to this machine, but Origin with every such request (Fetch standard,
    "append a request `Origin` header").
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    host = urlsplit(request.headers.get("origin", "")).netloc.lower()
    return bool(host) and (host == request.headers.get("host", "").lower() or host in request.app.state.staff_hosts)


def install(app: FastAPI, settings: ServiceSettings, pages: Pages, brand: Brand) -> None:
    """Adds the authenticator, the sign-in page and sign-out to an application."""
    app.state.authenticator = Authenticator(keys=settings.api_keys.get_secret_value(), secrets=settings.secrets)
    # Behind a proxy that terminates TLS, every request looks like plain HTTP; the public URLs tell.
    addresses = (settings.dashboard_url, settings.inbox_url)
    app.state.staff_hosts = {urlsplit(address).netloc.lower() for address in addresses}
    failures = Failures()
    secure = any(address.startswith("https:") for address in addresses)

    @app.exception_handler(SignInNeeded)
    async def _sign_in_needed(request: Request, _error: SignInNeeded) -> Response:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        # A form cannot be submitted again by following a link.
        target = target if request.method == "GET" else "/"
        return RedirectResponse("/sign-in?" + urlencode({"next": target}), 303)

    @app.get("/sign-in", include_in_schema=False)
    async def sign_in_page(
        request: Request, target: Annotated[str, Query(alias="next")] = "/", failed: bool = False
    ) -> HTMLResponse:
        context = {
            "brand": brand,
            "target": _own_path(target),
            "failed": failed,
            # Whoever reads this sits at the machine it runs on; there, `make up` has made a key.
            "local": request.url.hostname in ("127.0.0.1", "localhost"),
            "max_key": MAX_KEY,
            "session_hours": SESSION_SECONDS // 3_600,
        }
        return pages.TemplateResponse(request, "sign_in.html", context, 401 if failed else 200)

    @app.post("/sign-in", include_in_schema=False)
    async def sign_in(
        request: Request,
        key: Annotated[str, Form(max_length=MAX_KEY)],
        target: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        if not _is_same_site(request):
            raise Problem(
                403,
                "Cross-site sign-in rejected",
                detail="the sign-in came from another site; open the sign-in page yourself",
            )
        address = request.client.host if request.client else ""
        if (wait := failures.wait_seconds(address)) > 0:
            raise Problem(
                429,
                "Too many attempts",
                detail="too many unknown API keys came from your address; wait a minute and try again",
                headers={"Retry-After": str(math.ceil(wait))},
            )
        authenticator: Authenticator = request.app.state.authenticator
        if authenticator.caller(key) is None:
            failures.add(address)
            return RedirectResponse("/sign-in?" + urlencode({"next": _own_path(target), "failed": "1"}), 303)
        response = RedirectResponse(_own_path(target), 303)
        response.set_cookie(
            COOKIE,
            authenticator.session_for(key),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure or request.url.scheme == "https",
        )
        return response

    @app.post("/sign-out", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        response = RedirectResponse("/sign-in", 303)
        if _is_same_site(request):
            response.delete_cookie(COOKIE)
        return response


def _own_path(target: str) -> str:
    """Where to go after signing in: one of our paths, never another site (no open redirect).

    Browsers read a backslash as a slash, ignore tabs and line breaks, and treat what follows two or more slashes as
    a host.
    """
    read = re.sub(r"[\x00-\x20]", "", target).replace("\\", "/")
    return target if read.startswith("/") and not read.startswith("//") else "/"
