"""What the house asks a model by itself, for summaries and titles: counted as its user's, and told from their turns."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from rekindle.assistants.assistant import Usage
from rekindle.assistants.service import Assistants
from rekindle.usage.service import Usages

Complete = Callable[[str, str], Awaitable[tuple[str, Usage]]]
"""What a model makes of a text (the second) under instructions (the first). Raises `ModelError`."""


class Clerk:
    """Asks the server's model on behalf of users. A quota counts what that uses, and never refuses it."""

    def __init__(self, assistants: Assistants, usages: Usages) -> None:
        self._assistants = assistants
        self._usages = usages

    def on_behalf(self, user_id: UUID, session_id: UUID) -> Complete:
        """Asks about this session of this user's. Raises `UserGone`, too, when they are."""

        async def complete(instructions: str, text: str) -> tuple[str, Usage]:
            used: list[Usage] = []
            try:
                return await self._assistants.complete(instructions, text, spent=used.append)
            finally:  # what failed, or took too long, has used something all the same
                for usage in used:
                    await self._usages.add_background(user_id, session_id, usage)

        return complete
