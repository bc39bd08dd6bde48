"""The page of links, health, readiness and metrics, also with the model down."""

import re

import httpx2 as httpx
import pytest

from rekindle.http.page import PLAIN
from rekindle.testing import Refusal
from tests.conftest import Asking, RunningServer


@pytest.fixture
def http(server: RunningServer) -> httpx.Client:
    return server.client()


def test_all_links_of_the_page_work(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'href="([^"]+)"', page.text + PLAIN)
    assert {"/docs", "/openapi.json", "/ready", "/metrics"} <= set(links)
    for link in links:
        assert http.get(link).status_code == 200, link


def test_a_server_on_its_feet_is_alive_and_ready(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    ready = http.get("/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "database": "ok", "cache": "ok", "model": "ok"},
    )


def test_metrics_are_prometheus_text_and_name_nobody(http: httpx.Client, server: RunningServer, email: str) -> None:
    server.client(email).post("/chat", json={"message": "Hello."})
    metrics = http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'rekindle_turns_total{status="complete"}' in metrics.text
    assert email not in metrics.text
    assert "Hello" not in metrics.text


def test_a_model_that_is_down_degrades_the_server_until_it_answers_again(asking: Asking, email: str) -> None:
    user = asking.server.client(email)
    asking.model.script(Refusal(401))
    assert user.post("/chat", json={"message": "Hello."}).status_code == 502
    ready = user.get("/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["model"]) == (200, "degraded", "down")
    user.post("/chat", json={"message": "Hello?"})
    assert user.get("/ready").json()["status"] == "ok"
