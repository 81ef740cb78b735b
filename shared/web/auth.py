"""Authentication and authorisation: API keys with scopes for machines; staff sign in to pages with the same keys.

Only the SHA-256 of a key is stored: keys are long and random, so a slow hash would not make them safer.
"""

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.api_keys import SCOPES, Authenticator, Caller, digest_of
from shared.runtime import Runtime
from shared.web import sessions
from shared.web.cookies import SESSION_SECONDS, Cookies, Session
from shared.web.pages import Pages
from shared.web.parameters import known_parameters
from shared.web.problems import Problem
from shared.web.throttle import Failures

COOKIE = "hearback_session"
MAX_KEY = 500

_bearer = HTTPBearer(auto_error=False, description="An API key with the scope the operation names.")


@dataclass(frozen=True, slots=True)
class StaffSessions:
    """What a service with pages needs to take sessions. ``hosts`` are those its pages are served at."""

    runtime: Runtime[Any]
    cookies: Cookies
    hosts: frozenset[str]

    async def caller(self, request: Request, authenticator: Authenticator) -> Caller | None:
        """Whose session the request has, if it is valid and, for a change, one of our pages sent the request."""
        session = self.of(request)
        if session is None or not self.is_same_site(request):
            return None
        caller = authenticator.caller_of(session.key_digest)
        if caller is None or await sessions.is_withdrawn(self.runtime, session):
            return None
        return caller

    def of(self, request: Request) -> Session | None:
        """The session of the request's cookie, if it is signed and has not expired."""
        cookie = request.cookies.get(COOKIE)
        return None if cookie is None else self.cookies.read(cookie)

    def is_same_site(self, request: Request) -> bool:
        """CSRF protection: a session is only valid for changes that one of our pages sends, according to the browser.

        Browsers send Sec-Fetch-Site only over TLS and to this machine, but Origin with every such request (Fetch
        standard, "append a request `Origin` header").
        """
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return True
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        host = urlsplit(request.headers.get("origin", "")).netloc.lower()
        return bool(host) and (host == request.headers.get("host", "").lower() or host in self.hosts)


class SignInNeeded(Exception):
    """A page was requested without signing in."""


def require(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency that returns the caller, whose API key has ``scope``; a 401 or 403 problem otherwise."""
    _require_known(scope)

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        caller = await caller_of(request, credentials)
        if caller is None:
            raise Problem(
                401,
                "API key required",
                detail="send the header Authorization: Bearer <key>; keys are configured in HEARBACK_API_KEYS"
                if credentials is None
                else "the key after Authorization: Bearer is unknown; send the key itself, not its SHA-256 "
                "from HEARBACK_API_KEYS, which is read at the start",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return _permitted(caller, scope)

    return check


def staff(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency for pages: like ``require``, but without a session it redirects to the sign-in page.

    A page refuses parameters that it does not have, as the API does: a misspelt filter would show something else.
    """
    _require_known(scope)

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        caller = await caller_of(request, credentials)
        if caller is None:
            raise SignInNeeded
        _permitted(caller, scope)
        known_parameters(request)
        return caller

    return check


async def caller_of(request: Request, credentials: HTTPAuthorizationCredentials | None = None) -> Caller | None:
    """Whose key, or otherwise session, the request has; None without a valid one. Costs a read for a session."""
    authenticator: Authenticator = request.app.state.authenticator
    if credentials is not None:
        return authenticator.caller(credentials.credentials)
    staff_sessions: StaffSessions | None = request.app.state.staff_sessions
    return None if staff_sessions is None else await staff_sessions.caller(request, authenticator)


async def may_still_listen(request: Request) -> bool:
    """Whether an accepted request that goes on for long is still its caller's: a session may have ended meanwhile."""
    return "authorization" in request.headers or await caller_of(request) is not None


def _require_known(scope: str) -> None:
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is not a scope; scopes are {', '.join(SCOPES)}")


def _permitted(caller: Caller, scope: str) -> Caller:
    if not caller.may(scope):
        raise Problem(403, "Access denied", detail=f"this needs the scope {scope}")
    return caller


def install(app: FastAPI, runtime: Runtime[Any], pages: Pages, *, staff_pages: bool) -> None:
    """Adds the authenticator to an application and, if it has pages for staff, the sign-in page and sign-out."""
    app.state.authenticator = Authenticator(runtime.settings.api_keys.get_secret_value())
    app.state.staff_sessions = None
    if staff_pages:
        _install_sign_in(app, runtime, pages)


def _install_sign_in(app: FastAPI, runtime: Runtime[Any], pages: Pages) -> None:
    # Behind a proxy that terminates TLS, every request looks like plain HTTP; the public URLs tell.
    addresses = (runtime.settings.dashboard_url, runtime.settings.inbox_url)
    hosts = frozenset(urlsplit(address).netloc.lower() for address in addresses)
    staff_sessions = app.state.staff_sessions = StaffSessions(runtime, Cookies(runtime.settings.secrets), hosts)
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
            "brand": runtime.brand,
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
        if not staff_sessions.is_same_site(request):
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
            staff_sessions.cookies.begin(digest_of(key)),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure or request.url.scheme == "https",
        )
        return response

    @app.post("/sign-out", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        response = RedirectResponse("/sign-in", 303)
        if staff_sessions.is_same_site(request):
            if (session := staff_sessions.of(request)) is not None:
                await sessions.end(runtime, session)
            response.delete_cookie(COOKIE)
        return response


def _own_path(target: str) -> str:
    """Where to go after signing in: one of our paths, never another site (no open redirect).

    Browsers read a backslash as a slash, ignore tabs and line breaks, and treat what follows two or more slashes as
    a host.
    """
    read = re.sub(r"[\x00-\x20]", "", target).replace("\\", "/")
    return target if read.startswith("/") and not read.startswith("//") else "/"
