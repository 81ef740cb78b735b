"""Static files: a service's own, and the shared ones, each compressed once and cached by browsers for good.

A service has ``web/static``; anything else is looked up in ``shared/web``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.web.compression import accepts_gzip, compressed

SHARED = Path(__file__).parent
STATIC_PATH = "/static"
_YEAR = "public, max-age=31536000, immutable"
_CHECK_AGAIN = "no-cache"


def mount_static(app: FastAPI, service_folder: Path) -> None:
    """Serves ``web/static`` of the service, then the shared static files, under ``/static``, without a key."""
    app.mount(STATIC_PATH, _StaticFiles((service_folder / "web", SHARED)), name="static")


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


class _StaticFiles:
    """Serves a static file from the first folder that has it; it is cached for as long as its URL names its content.

    While replicas are upgraded one by one, an old page may ask a new replica for its own version of a file. Each file
    is read and compressed once, when it is first asked for.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._address = static_address(folders)
        self._paths = {
            file.relative_to(folder / "static").as_posix(): file
            for folder in reversed(folders)
            for file in (folder / "static").rglob("*")
            if file.is_file()
        }
        self._files: dict[str, _StaticFile] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(scope["root_path"]).removeprefix("/")
        if name not in self._paths:
            raise HTTPException(404)
        if scope["method"] != "GET":  # HEAD is served as GET
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if name not in self._files:
            self._files[name] = _StaticFile.read(self._paths[name], self._address(name))
        await self._response(self._files[name], name, scope)(scope, receive, send)

    def _response(self, file: _StaticFile, name: str, scope: Scope) -> Response:
        asked_for = f"{STATIC_PATH}/{name}?{scope['query_string'].decode('ascii', 'replace')}"
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
