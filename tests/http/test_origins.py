"""Pages of other sites may call the API where their origin is named, and nowhere else."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest
from pydantic import ValidationError

from rekindle.app import create_app
from tests.conftest import make_settings

SHOP = "https://shop.example"
ASKING = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,idempotency-key"}


@pytest.fixture
async def named() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(make_settings("", Path("nowhere"), api_origins=f"{SHOP},http://localhost:5173"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rekindle.example") as http:
        yield http


async def test_a_named_site_may_call_the_api_with_a_token_and_without_cookies(named: httpx.AsyncClient) -> None:
    allowed = await named.options("/api/v1/sessions", headers={"origin": SHOP, **ASKING})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == SHOP
    assert "origin" in allowed.headers["vary"].lower()
    assert "access-control-allow-credentials" not in allowed.headers
    answer = await named.post("/api/v1/sessions", headers={"origin": SHOP}, content=b"{")
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == SHOP, "refusals can be read, too"
    assert "x-turn-id" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_named_site_reads_of_an_unforeseen_error_too() -> None:
    app = create_app(make_settings("", Path("nowhere"), api_origins=SHOP))

    @app.get("/api/v1/fault")
    async def fault() -> None:
        raise ZeroDivisionError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://rekindle.example") as http:
        answer = await http.get("/api/v1/fault", headers={"origin": SHOP})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "https://shop.example.evil.example", "null"])
async def test_other_sites_may_not(named: httpx.AsyncClient, origin: str) -> None:
    refused = await named.options("/api/v1/sessions", headers={"origin": origin, **ASKING})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    answer = await named.post("/api/v1/sessions", headers={"origin": origin}, content=b"{")
    assert "access-control-allow-origin" not in answer.headers


async def test_only_the_api_may_be_called_from_elsewhere(named: httpx.AsyncClient) -> None:
    for path in ("/chat/stream", "/sessions/start", "/"):
        answer = await named.options(path, headers={"origin": SHOP, **ASKING})
        assert "access-control-allow-origin" not in answer.headers


async def test_nobody_is_named_unless_set() -> None:
    app = create_app(make_settings("", Path("nowhere")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rekindle.example") as http:
        answer = await http.options("/api/v1/sessions", headers={"origin": SHOP, **ASKING})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "https://*.example", "https://shop.example/", "shop.example", "null"])
def test_a_pattern_or_an_address_is_no_origin(origin: str) -> None:
    with pytest.raises(ValidationError, match="is not an origin"):
        make_settings("", Path("nowhere"), api_origins=origin)
