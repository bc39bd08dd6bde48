"""`/api/v1/identity`: check in, prove an e-mail address with a code, who am I, log out."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, StringConstraints

from rekindle.http.caller import CallerDep, HouseDep, TokenDep, VisitorDep
from rekindle.http.client import CheckInAllowed, CodeAllowed, LocalDep
from rekindle.http.shapes import AssistantName
from rekindle.identity.service import Caller

router = APIRouter(prefix="/api/v1/identity", tags=["identity"])

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Email = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{6}$")]
Level = Literal["anonymous", "claimed", "verified"]


class Visitor(BaseModel):
    """Who a visitor says they are. All of it may be left out: they are anonymous then."""

    name: Short | None = None
    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] | None = None
    phone: Short | None = None
    assistant: AssistantName | None = None


class CheckedIn(BaseModel):
    """A visitor's new session and the token for it, which opens nothing else.

    Where an address has to be proven, `status` is `created` for everybody.
    """

    token: str
    session_id: UUID
    status: Literal["created", "returning_user"]
    level: Level


class CodeWanted(BaseModel):
    """The address that a code is sent to."""

    email: Email


class CodeSent(BaseModel):
    """A code is on its way, if the address takes mail."""

    status: Literal["sent"] = "sent"
    minutes: int = 10


class CodeEntered(BaseModel):
    """The code from the mail.

    `session_id` names a visitor's session at the desk (`/api/v1/session/create`), which has no token.
    """

    email: Email
    code: Code
    session_id: Annotated[str, StringConstraints(max_length=100)] | None = None


class Proven(BaseModel):
    """A token of the address's owner, good for all of theirs; `adopted`: the visitor's session is theirs now."""

    token: str
    user_id: UUID
    level: Level
    adopted: bool


class Me(BaseModel):
    """Who the token speaks for. `session_id`: the one session it is good for; `email` is proven if `verified`."""

    user_id: UUID
    level: Level
    email: str | None
    name: str | None
    session_id: UUID | None
    admin: bool


class Leaving(BaseModel):
    """`everywhere`: all tokens of the user issued until now end, not this one only."""

    everywhere: bool = False


@router.post("/check-in", status_code=201, dependencies=[CheckInAllowed])
async def check_in(house: HouseDep, visitor: Visitor | None = None) -> CheckedIn:
    """Come in as a visitor: a new session, of the user with this e-mail address or a new one, and a token for it."""
    visitor = visitor or Visitor()
    found = await house.sessions.check_in(
        name=visitor.name or None,
        email=visitor.email or None,
        phone=visitor.phone or None,
        assistant=house.crew.get(visitor.assistant).name if visitor.assistant is not None else None,
    )
    return CheckedIn(
        token=house.identity.issue(found.caller),
        session_id=found.session.id,
        status=found.status,
        level=found.caller.level,
    )


@router.post("/code", status_code=202, dependencies=[CodeAllowed])
async def send_code(house: HouseDep, wanted: CodeWanted, local: LocalDep) -> CodeSent:
    """Have a six-digit code sent to an e-mail address. The answer is the same for every address."""
    await house.codes.send(wanted.email, local=local)
    return CodeSent()


@router.post("/verify", dependencies=[CodeAllowed], openapi_extra={"security": [{}]})
async def verify(house: HouseDep, visitor: VisitorDep, entered: CodeEntered) -> Proven:
    """Prove an e-mail address. A visitor's session, of the token or named, goes over to the account."""
    desk: Caller | None = await house.sessions.enter(entered.session_id) if entered.session_id else None
    proven = await house.visits.verify(desk or visitor, entered.email, entered.code)
    return Proven(token=proven.token, user_id=proven.caller.user_id, level=proven.caller.level, adopted=proven.adopted)


@router.get("")
async def who_am_i(house: HouseDep, caller: CallerDep) -> Me:
    """Who the token speaks for."""
    user = await house.identity.user(caller.user_id)
    whole = caller.session_id is None and user is not None
    return Me(
        user_id=caller.user_id,
        level=caller.level,
        # Of an account that was only claimed, nothing is told.
        email=user.email if user and whole else caller.email,
        name=user.name if user and whole else None,
        session_id=caller.session_id,
        admin=await house.identity.is_admin(caller),
    )


@router.post("/logout", status_code=204)
async def log_out(house: HouseDep, caller: CallerDep, token: TokenDep, leaving: Leaving | None = None) -> Response:
    """Log out: the token ends, and with it the session that goes on until then."""
    await house.visits.log_out(caller, token, everywhere=bool(leaving and leaving.everywhere))
    return Response(status_code=204)
