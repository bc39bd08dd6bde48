"""JSON exports come back in: what `rekindle import` does with a file that `rekindle export` wrote."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from rekindle.cli.console import console
from rekindle.errors import InvalidRequest
from rekindle.settings import Settings

_EXPORT = re.compile(r'\s*\{\s*"format"\s*:\s*"rekindle"')


def restored(file: Path, settings: Settings, email: str | None) -> bool:
    """Bring the export in `file` back; False when the file is none. `email`: whose it becomes, if not its own user's.

    What is here already stays as it is.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            if not _EXPORT.match(opened.read(200)):
                return False
        document = json.loads(file.read_bytes())
    except (OSError, UnicodeDecodeError):
        return False  # whoever reads it next says so
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"{file} was cut off, or changed: {error}.") from error
    new, known = asyncio.run(_restore(settings, document, email))
    before = f" {known:,} were here already." if known else ""
    console.print(f"Brought back {new:,} session{'s' * (new != 1)}.{before}")
    return True


async def _restore(settings: Settings, document: Any, email: str | None) -> tuple[int, int]:
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them
    from rekindle.sessions.export.service import check_export

    check_export(document)
    profile = document.get("user") or {}
    address = email or profile.get("email")
    if not address:
        raise InvalidRequest("This export names nobody: say whose it becomes with --email.")
    async with open_house(settings, work=False) as house:
        name = (profile.get("metadata") or {}).get("name")
        user = (await house.identity.recognise(address, name=name, phone=profile.get("phone"))).user
        return await house.exports.bring_back(document, user.id)
