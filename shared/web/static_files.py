"""Static files: a service's own, and the shared ones, each compressed once and cached by browsers for good.

A service has ``web/static``; anything else is looked up in ``shared/web``. They are served in front of the framework: a
page loads four of them, and through all of its layers each took about a millisecond.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web.compression import accepts_gzip, compressed

SHARED = Path(__file__).parent
STATIC_PATH = "/static"
_YEAR = "public, max-age=31536000, immutable"
_CHECK_AGAIN = "no-cache"


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


@dataclass(frozen=True, slots=True)
class _StaticFile:
    """``address`` is the path of its URL and the hash of its content; ``packed`` is None if that is no smaller."""

    content: bytes
    packed: bytes | None
    media_type: str
    address: str
    tag: str

    @classmethod
    def read(cls, file: Path, address: str) -> "_StaticFile":
        content = file.read_bytes()
        packed = compressed(content)
        return cls(
            content=content,
            packed=packed if len(packed) < len(content) else None,
            media_type=guess_type(file.name)[0] or "application/octet-stream",
            address=address,
            tag=f'W/"{sha256(content).hexdigest()[:16]}"',
        )


@dataclass(frozen=True, slots=True)
class _Route:
    path: str


class StaticFiles:
    """Middleware that serves a static file from the first of ``folders`` that has it, under ``/static`` and without a
    key; it is cached for as long as its URL names its content.

    While replicas are upgraded one by one, an old page may ask a new replica for its own version of a file. Each file
    is read and compressed once, when it is first asked for.
    """

    _ROUTE = _Route(f"{STATIC_PATH}/{{file}}")

    def __init__(self, app: ASGIApp, *, folders: tuple[Path, ...]) -> None:
        self._app = app
        self._address = static_address(folders)
        self._paths = {
            f"{STATIC_PATH}/{file.relative_to(folder / 'static').as_posix()}": file
            for folder in reversed(folders)
            for file in (folder / "static").rglob("*")
            if file.is_file()
        }
        self._files: dict[str, _StaticFile] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # HEAD is served as GET.
        path = scope["path"].removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        if path not in self._paths or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        if path not in self._files:
            self._files[path] = _StaticFile.read(self._paths[path], self._address(path.removeprefix(f"{STATIC_PATH}/")))
        scope["route"] = self._ROUTE
        await self._response(self._files[path], path, scope)(scope, receive, send)

    def _response(self, file: _StaticFile, path: str, scope: Scope) -> Response:
        asked_for = f"{path}?{scope['query_string'].decode('ascii', 'replace')}"
        headers = {
            "Cache-Control": _YEAR if asked_for == file.address else _CHECK_AGAIN,
            "ETag": file.tag,
            "Vary": "Accept-Encoding",
        }
        request = Headers(scope=scope)
        if file.tag in request.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if file.packed is not None and accepts_gzip(request.get("accept-encoding", "")):
            return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
        return Response(file.content, headers=headers, media_type=file.media_type)
