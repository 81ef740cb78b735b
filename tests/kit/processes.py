"""Processes of the product, run by a test."""

import os
import sys
from asyncio.subprocess import Process, create_subprocess_exec
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from deploy.local.programs import PROJECT


@asynccontextmanager
async def process(*arguments: str, environment: Mapping[str, str], **options: Any) -> AsyncIterator[Process]:
    """``python -m`` with these arguments and additional variables; killed at the end if it still runs."""
    started = await create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=PROJECT, env={**os.environ, **environment}, **options
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
