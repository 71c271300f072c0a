"""
The embedded endpoint, and a client of it, for the tests that need no other.

All of it is plain HTTP. A client that verified anybody would first load the machine's authorities, which takes
longer than most of the tests.
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
    async with (
        serve(app) as url,
        httpx.AsyncClient(verify=False, base_url=url, timeout=20) as client,
    ):
        yield client
