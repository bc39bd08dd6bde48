"""An operator's own file, brought back."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from rekindle.house import House


async def bring_back(house: House, document: Any, user_id: UUID) -> tuple[int, int]:
    """Bring an export back as this user's: how many sessions, and how many were here already."""

    async def pieces() -> AsyncIterator[bytes]:
        text = json.dumps(document, ensure_ascii=False).encode()
        for start in range(0, len(text), 1000):
            yield text[start : start + 1000]

    async def whose(profile: dict[str, Any]) -> UUID:
        return user_id

    return await house.exports.bring_back(pieces(), whose)
