"""The chart library, served from its installed package."""

import asyncio
import gzip
import importlib.metadata
import importlib.util
import re
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response


def routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(address())
    async def library(request: Request) -> Response:
        """Cached by browsers permanently: its URL changes with its version."""
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = await asyncio.to_thread(_compressed)
            headers["Content-Encoding"] = "gzip"
        else:
            content = await asyncio.to_thread(_file().read_bytes)
        return Response(content, media_type="text/javascript", headers=headers)

    return router


def address() -> str:
    return f"/assets/plotly-{importlib.metadata.version('plotly')}.min.js"


def map_styles() -> str:
    """The id of the element in which the library expects the styles of its maps. Without it, the library would add them
    itself, which the page's Content-Security-Policy forbids; these pages have no maps."""
    found = re.search(rb'getElementById\("([0-9a-f]{64})"\)', _file().read_bytes())
    return found.group(1).decode() if found else ""


def _file() -> Path:
    # Found without importing the package, which would load half of the scientific Python stack.
    package = importlib.util.find_spec("plotly")
    if package is None or package.origin is None:
        raise RuntimeError("the package plotly, which contains the dashboard's chart library, is not installed")
    return Path(package.origin).parent / "package_data" / "plotly.min.js"


@cache
def _compressed() -> bytes:
    return gzip.compress(_file().read_bytes(), 6, mtime=0)
