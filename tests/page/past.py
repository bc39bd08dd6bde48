"""A past for people: sessions of earlier weeks, brought in as an export."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from rekindle.ids import uuid7


def past_session(title: str, *texts: str, weeks: float, summary: str = "", **lists: list[str]) -> dict[str, Any]:
    """A session so many weeks ago: what was said in turns, and, with `summary`, what it was about."""
    began = datetime.now(UTC) - timedelta(weeks=weeks)
    session: dict[str, Any] = {
        "id": str(uuid7(began)),
        "assistant": "assistant",
        "title": title,
        **dict.fromkeys(("started_at", "last_seen_at", "ended_at"), began.isoformat()),
        "messages": [
            {
                "id": str(uuid4()),
                "seq": seq,
                "role": "user" if seq % 2 else "assistant",
                "content": text,
                "status": "complete",
                "created_at": (began + timedelta(minutes=seq)).isoformat(),
            }
            for seq, text in enumerate(texts, 1)
        ],
    }
    if summary:
        session["summary"] = {
            "summary": summary,
            "through_seq": len(texts),
            "created_at": began.isoformat(),
            "metadata": lists,
        }
    return session


def bring_in(http: httpx.Client, *sessions: dict[str, Any]) -> list[str]:
    """Give somebody these sessions: their ids."""
    answer = http.post(
        "/api/v1/me/import", content=json.dumps({"format": "rekindle", "version": 1, "sessions": sessions})
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["sessions"] == len(sessions)
    return [session["id"] for session in sessions]
