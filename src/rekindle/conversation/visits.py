"""Coming and leaving: a visitor proves an e-mail address and what they said becomes their account's; logging out."""

import asyncio
from dataclasses import dataclass

from rekindle.conversation.service import Conversation
from rekindle.errors import SessionBusy, SessionNotFound
from rekindle.identity.service import Caller, Codes, Identity
from rekindle.sessions.service import Sessions

TRIES = 20
"""How often a reply is waited for that began while the one before was: nobody types faster."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The proven owner of an address and their token; `adopted` if a visitor's session is theirs now."""

    caller: Caller
    token: str
    adopted: bool


class Visits:
    """Redeems codes, brings visitors' sessions home, sees people out."""

    def __init__(self, identity: Identity, codes: Codes, sessions: Sessions, conversation: Conversation) -> None:
        self._identity = identity
        self._codes = codes
        self._sessions = sessions
        self._conversation = conversation

    async def verify(self, visitor: Caller | None, email: str, code: str) -> Verified:
        """The owner of the address this code was sent to, with the visitor's session, if there is one.

        An answer that is still being written gets a moment, then is cancelled.

        Raises `WrongCode`, `SessionBusy`, `UserGone`.
        """
        if visitor:
            await self._identity.user(visitor.user_id)  # one who is gone has nothing to bring, and no say
        account = await self._identity.owner(await self._codes.redeem(email, code))
        adopted = False
        # Two proven accounts are two people's until somebody says otherwise: they are never joined.
        if visitor and visitor.level != "verified" and visitor.session_id and visitor.user_id != account.user_id:
            adopted = await self._adopt(visitor, account)
        return Verified(account, self._identity.issue(account), adopted)

    async def log_out(self, caller: Caller, token: str, *, everywhere: bool = False) -> None:
        """End the caller's lasting sessions and revoke their token; `everywhere`, all that they have.

        Raises `Forbidden` for `everywhere` with a token of one session: its holder may only have typed an address.
        """
        if everywhere:
            caller.check_whole()
        try:
            current = await self._sessions.current(caller)
            await self._conversation.settle(caller, current.id)
            # Their summaries follow: nobody should wait for them at the door.
            if caller.session_id is None:
                await self._sessions.end_lasting(caller)  # those, too, that were begun before it and never ended
            else:
                await self._sessions.end(caller, current.id)
        except SessionNotFound:
            pass  # most people have none
        if everywhere:
            await self._identity.revoke_all(caller.user_id)
        else:
            await self._identity.revoke(token)

    async def _adopt(self, visitor: Caller, account: Caller) -> bool:
        assert visitor.session_id is not None
        for _ in range(TRIES):
            try:
                await self._conversation.settle(visitor, visitor.session_id)
            except SessionNotFound:
                return False  # deleted meanwhile: there is nothing to bring
            if await self._identity.adopt(visitor, account):
                return True
            await asyncio.sleep(0.02)
        raise SessionBusy
