"""JSON exports come back in: what `rekindle import` does with a file that `rekindle export` wrote."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

from rekindle.cli.console import console
from rekindle.cli.screen import counted
from rekindle.errors import InvalidRequest
from rekindle.settings import Settings

READ_BYTES = 1_000_000
_EXPORT = re.compile(r'\s*\{\s*"format"\s*:\s*"rekindle"')


def restored(file: Path, settings: Settings, email: str | None) -> bool:
    """Bring the export in `file` back; False when the file is none. `email`: whose it becomes, if not its own user's.

    What is here already stays as it is.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            if not _EXPORT.match(opened.read(200)):
                return False
    except (OSError, UnicodeDecodeError):
        return False  # whoever reads it next says so
    new, known = asyncio.run(_restore(settings, file, email))
    before = f" {counted(known, 'was', 'were')} here already." if known else ""
    console.print(f"Brought back {counted(new, 'session')}.{before}")
    return True


async def _restore(settings: Settings, file: Path, email: str | None) -> tuple[int, int]:
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    async with open_house(settings, work=False) as house:

        async def whose(profile: dict[str, Any]) -> UUID:
            address = email or profile.get("email")
            if not address:
                raise InvalidRequest("This export names nobody: say whose it becomes with --email.")
            name = (profile.get("metadata") or {}).get("name")
            return (await house.identity.recognise(address, name=name, phone=profile.get("phone"))).user.id

        return await house.exports.bring_back(_pieces(file), whose)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as opened:
        while piece := await asyncio.to_thread(opened.read, READ_BYTES):
            yield piece
