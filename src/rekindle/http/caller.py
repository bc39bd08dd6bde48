"""What every endpoint stands on: the house, and who calls."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from rekindle.errors import Forbidden, NotFound, Unauthenticated
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.ids import parse_uuid

_bearer = HTTPBearer(auto_error=False, description="A token of `rekindle token EMAIL`.")


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


HouseDep = Annotated[House, Depends(_house)]


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _token(credentials: Credentials) -> str:
    if credentials is None:
        raise Unauthenticated("A bearer token is needed: `Authorization: Bearer …`. `rekindle token EMAIL` prints one.")
    return credentials.credentials


TokenDep = Annotated[str, Depends(_token)]


async def _caller(house: HouseDep, token: TokenDep) -> Caller:
    return await house.identity.read(token)


CallerDep = Annotated[Caller, Depends(_caller)]


async def _visitor(house: HouseDep, credentials: Credentials) -> Caller | None:
    return await house.identity.read(credentials.credentials) if credentials else None


VisitorDep = Annotated[Caller | None, Depends(_visitor)]
"""Who calls, if they say so."""


async def _admin(house: HouseDep, caller: CallerDep) -> Caller:
    if not await house.identity.is_admin(caller):
        raise Forbidden("This is for administrators (REKINDLE_ADMIN_EMAILS).")
    return caller


AdminDep = Annotated[Caller, Depends(_admin)]


def known_id(text: str, missing: type[NotFound]) -> UUID:
    """The id a path names; a malformed one is an unknown one."""
    found = parse_uuid(text)
    if found is None:
        raise missing
    return found
