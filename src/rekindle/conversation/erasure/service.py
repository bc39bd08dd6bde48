"""Erasing a person: from every table, the queue, the cache and memory."""

import asyncio
from uuid import UUID

import structlog

from rekindle.conversation.erasure import store
from rekindle.conversation.service import Conversation
from rekindle.database import Database, DatabaseDown
from rekindle.errors import InvalidRequest, RekindleError
from rekindle.identity.service import Caller, User
from rekindle.sessions.copies import Copies

log = structlog.get_logger()

CANCEL_SECONDS = 5.0
TRIES = 3


class NotConfirmed(InvalidRequest):
    """Erasing cannot be undone. Confirm it with the e-mail address or the id of whom it is about."""

    code = "not_confirmed"


class Erasure:
    """Removes a person for good. Their tokens, sessions and capabilities open nothing from then on."""

    def __init__(self, database: Database, conversation: Conversation, copies: Copies) -> None:
        self._database = database
        self._conversation = conversation
        self._copies = copies

    async def erase(self, user_id: UUID) -> dict[str, int]:
        """Erase a user: the rows deleted, by table; empty when there is no such user.

        Their running turns are cancelled first; one that does not stop in 5 s finds nothing left to write to.
        """
        async with self._database.system() as connection:
            running = await store.list_running_turns(connection, user_id)
        await asyncio.gather(*(self._cancel(Caller(user_id, "verified"), turn) for turn in running))
        for again in range(TRIES):
            try:
                async with self._database.system() as connection:
                    if not await store.has_user(connection, user_id):
                        return {}
                    await store.reach_hidden(connection)
                    sessions = await store.lock_sessions(connection, user_id)
                    counts = await store.delete_user(connection, user_id)
                break
            except DatabaseDown:  # or somebody wrote just then, and one of the two had to give way
                if again == TRIES - 1:
                    raise
        await self._copies.forget(*sessions)
        log.info("user.erased", sessions=counts["sessions"], messages=counts["messages"])
        return counts

    async def _cancel(self, caller: Caller, turn_id: UUID) -> None:
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._conversation.cancel(caller, turn_id)
        except (TimeoutError, RekindleError) as error:
            log.warning("erasure.turn_not_stopped", error=type(error).__name__)


def check_confirmed(user: User | None, confirm: str) -> None:
    """Raise `NotConfirmed` unless what was typed names this user."""
    if user is None or confirm.strip().lower() not in {str(user.id), user.email}:
        raise NotConfirmed
