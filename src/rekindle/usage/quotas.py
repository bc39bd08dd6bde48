"""Quotas: what a day may cost in tokens and in money, for each user and for all together."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from rekindle.assistants.assistant import Assistant
from rekindle.assistants.context import recall_room
from rekindle.errors import QuotaExceeded
from rekindle.settings import Settings

REPLY_ALLOWANCE = 1_000
"""Tokens reserved for a reply before it is known how long it gets."""
INSTRUCTION_ALLOWANCE = 200
"""Tokens reserved for what an assistant is told; what exceeds it is settled after the turn."""
FOUND_ALLOWANCE = 1_500
"""Tokens reserved for what an assistant that looks things up finds, beside the prompt that it is asked with again."""


def limits(settings: Settings, assistants: Iterable[Assistant]) -> dict[str, Any] | None:
    """What `begin_turn_within` is given, or None when no quota is set. The first assistant has whose own is gone."""
    quotas = {
        "user_tokens": settings.user_tokens_per_day,
        "total_tokens": settings.total_tokens_per_day,
        "user_cost": micros(settings.user_cost_per_day),
        "total_cost": micros(settings.total_cost_per_day),
    }
    given: dict[str, Any] = {name: quota for name, quota in quotas.items() if quota is not None}
    if not given:
        return None
    needs = {assistant.name: _needs(assistant, settings) for assistant in assistants}
    return given | {
        "assistants": needs,
        "otherwise": next(iter(needs.values())),
        "overhead": INSTRUCTION_ALLOWANCE,
        "recall": recall_room(settings.recall_tokens, settings.prompt_tokens),
        "window": settings.window,
        "reply": REPLY_ALLOWANCE,
        "longest": settings.prompt_tokens,
    }


def _needs(assistant: Assistant, settings: Settings) -> dict[str, Any]:
    looks_up = assistant.knows or assistant.tools or assistant.mcp
    return {
        "model": assistant.model or settings.model_name,
        "recalls": assistant.recall != "off",
        "found": FOUND_ALLOWANCE if looks_up else None,
    }


def micros(dollars: float | None) -> int | None:
    """Micro-dollars."""
    return None if dollars is None else round(dollars * 1_000_000)


def opens_at(now: datetime | None = None) -> datetime:
    """When a quota that is used up opens again: at midnight, UTC."""
    now = now or datetime.now(UTC)
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def exceeded(scope: Literal["user", "total"]) -> QuotaExceeded:
    """The error of a quota that is used up, with when it opens again: at midnight, UTC."""
    now = datetime.now(UTC)
    opens = opens_at(now)
    whose = "Your quota" if scope == "user" else "This server's quota"
    return QuotaExceeded(
        f"{whose} for today is used up: it opens again at {opens:%Y-%m-%d %H:%M} UTC. The message was not stored.",
        opens_at=opens.isoformat(),
        retry_after=max(1, int((opens - now).total_seconds()) + 1),
        scope=scope,
    )
