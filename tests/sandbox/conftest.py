"""
The embedded endpoint, and a client of it, for the tests that need no other.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from retouchd.sandbox.app import build_app
from retouchd.sandbox.server import serve


@pytest.fixture
def app() -> Starlette:
    return build_app()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client
