"""Exports: JSON that comes back as it was, tables that no spreadsheet runs, PDF whose text can be selected."""

import asyncio
import csv
import io
import json
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pypdfium2
import pytest
from bench.turns import fill
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from rekindle.errors import Forbidden, InvalidRequest, SessionNotFound
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.sessions.export import service
from rekindle.sessions.export.formats import MarkdownWriter
from rekindle.sessions.service import Session
from tests import forked
from tests.conftest import OpenHouse, RunningServer, clean_environment, say
from tests.sessions.own_file import bring_back


async def talk(house: House, caller: Caller, *texts: str, title: str | None = None) -> Session:
    session = await house.sessions.start(caller, title=title, metadata={"language": "en"})
    for text in texts:
        await say(house, caller, session, text, metadata={"route": "test"})
    return session


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def rows_of(house: House, caller: Caller) -> list[Any]:
    """All that is kept of a user's sessions, but whose they are, the capability, and when they were brought in."""
    async with house.database.system() as connection:
        cursor = await connection.execute(
            """
            SELECT to_jsonb(s) - ARRAY['user_id', 'cookie_sid', 'arrived_at'] AS session,
                (SELECT jsonb_agg(to_jsonb(m) - ARRAY['user_id', 'server', 'lease_until'] ORDER BY seq)
                 FROM messages m WHERE m.session_id = s.id) AS messages,
                (SELECT to_jsonb(y) - 'user_id' FROM session_summaries y WHERE y.session_id = s.id) AS summary,
                (SELECT jsonb_agg(to_jsonb(r) - 'user_id' ORDER BY r.version)
                 FROM rolling_summaries r WHERE r.session_id = s.id) AS rolling
            FROM sessions s WHERE s.user_id = %s ORDER BY s.id
            """,
            (caller.user_id,),
        )
        return [dict(row) for row in await cursor.fetchall()]


async def test_a_json_export_comes_back_as_it_was(
    house: House, caller: Caller, open_a_house: OpenHouse, new_database: Callable[[], str]
) -> None:
    first = await talk(house, caller, "I like green tea.", "=1+1 😀 مرحبا 你好", title="Tea")
    await house.memory.summarise(caller.user_id, first.id)
    await talk(house, caller, "A second talk.")
    before = await rows_of(house, caller)
    document = json.loads(await whole(await house.exports.export(caller, "json")))
    assert "cookie_sid" not in document["sessions"][0]

    elsewhere = await open_a_house(work=False, database_url=SecretStr(new_database()))
    other = Caller((await elsewhere.identity.recognise("ada@example.com")).user.id, "verified")
    assert await bring_back(elsewhere, document, other.user_id) == (2, 0)
    assert await rows_of(elsewhere, other) == before
    assert len(await elsewhere.usage.days(other)) == 1
    assert await bring_back(elsewhere, document, other.user_id) == (0, 2)
    assert await rows_of(elsewhere, other) == before
    turn = await elsewhere.conversation.say(other, first.id, "And it goes on.")
    assert (await elsewhere.conversation.outcome(other, turn.id)).seq == 6


async def test_a_damaged_export_is_refused_and_leaves_nothing(house: House, caller: Caller) -> None:
    await talk(house, caller, "Hello.")
    document = json.loads(await whole(await house.exports.export(caller, "json")))
    session = document["sessions"][0]
    session["id"] = "01890000-0000-7000-8000-00000000abcd"
    session["messages"][1]["role"] = "nobody"
    with pytest.raises(InvalidRequest):
        await bring_back(house, document, caller.user_id)
    session["messages"][1]["role"] = "assistant"
    endless = {"summary": "Tea.", "metadata": {"topics": ["tea"] * 101}, "through_seq": 2}
    session["summary"] = {**endless, "created_at": session["started_at"]}
    with pytest.raises(InvalidRequest, match="damaged"):
        await bring_back(house, document, caller.user_id)
    shapes: list[Any] = [{"format": "rekindle", "version": 99, "sessions": []}, {"sessions": []}, [], None]
    for broken in shapes:
        with pytest.raises(InvalidRequest):
            await bring_back(house, broken, caller.user_id)
    assert len(await rows_of(house, caller)) == 1


async def test_no_cell_of_a_table_is_a_formula(house: House, caller: Caller) -> None:
    dangerous = ["=HYPERLINK(1)", *(f"{sign}1" for sign in "+-@\t\r\n\uff1d\uff0b\uff0d\uff20")]
    session = await talk(house, caller, *dangerous, title="=cmd|' /C calc'!A0")
    rows = list(csv.DictReader(io.StringIO((await whole(await house.exports.export(caller, "csv"))).decode(), "")))
    assert len(rows) == 2 * len(dangerous)
    said = [row["content"] for row in rows if row["role"] == "user"]
    assert said == [f"'{text}" for text in dangerous]
    assert not any(str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    assert rows[0]["session_id"] == str(session.id)


async def test_markdown_is_for_reading(house: House, caller: Caller) -> None:
    await talk(house, caller, "I like green tea.", title="Tea")
    text = (await whole(await house.exports.export(caller, "markdown"))).decode()
    assert "## Tea" in text
    assert "**You**" in text
    assert "I like green tea." in text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Look: ![a cat](https://x.example/1.png)", "Look: [a cat](https://x.example/1.png)"),
        ("![](https://x.example/1.png) <https://x.example>", "[picture](https://x.example/1.png) <https://x.example>"),
        ("![a cat][1]\n\n[1]: https://x.example/1.png", "[a cat][1]\n\n[1]: https://x.example/1.png"),
        ('a<b, 1 < 2 <img src="//x.example">', 'a\\<b, 1 < 2 \\<img src="//x.example">'),
        ("`![code](u)` and ![no code](u)", "`![code](u)` and [no code](u)"),
        ("```md\n![code](u)\n```\n![no code](u)", "```md\n![code](u)\n```\n[no code](u)"),
        ("a ` b\n` ![no code](u) `", "a ` b\n` [no code](u) `"),
        ("\\` ![no code](u) `", "\\` [no code](u) `"),
        ("- a\n   ```\nb ![no code](u)", "- a\n   ```\nb [no code](u)"),
        ("   ```\na\n```\n![no code](u)", "   ```\na\n```\n[no code](u)"),
        ("- a\n  ```\n  b\n  ```\n\n```\n<b>\n```", "- a\n  ```\n  b\n  ```\n\n```\n<b>\n```"),
        ("a|b\n-|-\n`a | ![no code](u)`", "a|b\n-|-\n`a | [no code](u)`"),
        ("[a](x`y) ![no code](u) `", "[a](x`y) [no code](u) `"),
        ("https://x`y ![no code](u) `", "https://x`y [no code](u) `"),
        ("` a\n\u00a0\n`![no code](u)`", "` a\n\u00a0\n`[no code](u)`"),
        ("https://x<img src=u>", "https://x&lt;img src=u>"),
        ("https://x\\<img src=u>", "https://x\\&lt;img src=u>"),
        ("```\nleft open", "```\nleft open\n```"),
    ],
)
def test_markdown_that_is_opened_fetches_nothing(said: str, kept: str) -> None:
    message = {"role": "user", "created_at": "2026-01-01T00:00", "status": "complete", "content": said}
    assert MarkdownWriter().messages({}, [message]).endswith(f"\n\n{kept}\n")


SCRIPTS = (
    "Grüße, Привет",
    "مرحبا بالعالم",
    "你好，世界",
    "日本語",
    "한국어",
    "ภาษาไทย",
    "हिन्दी",
    "😀🎉",
    '#import "x" $y$ *z* `q` \\ ]',
)


async def test_a_pdf_holds_every_script_as_text(house: House, caller: Caller) -> None:
    session = await talk(house, caller, *SCRIPTS, title="Scripts")
    made = await whole(await house.exports.export(caller, "pdf", session.id))
    with pypdfium2.PdfDocument(made) as document:
        text = "\n".join(page.get_textpage().get_text_range() for page in document)
    for script in SCRIPTS:
        assert script in text
    assert "\ufffd" not in text


async def test_an_export_is_bounded_in_memory(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    await fill(house, caller.user_id, session.id, 20_000)
    tracemalloc.start()
    size = 0
    async for piece in await house.exports.export(caller, "json"):
        size += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 6_000_000
    assert peak < size / 2
    with pytest.raises(InvalidRequest, match="5,000"):
        await house.exports.export(caller, "pdf")


async def test_an_operators_own_file_is_read_a_session_at_a_time_and_says_whose_it_is(
    house: House, caller: Caller
) -> None:
    session = await talk(house, caller, "Take me with you.")
    [exported] = json.loads(await whole(await house.exports.export(caller, "json", session.id)))["sessions"]
    for message in exported["messages"]:
        message["content"] = "x" * 100_000
    head = {"format": "rekindle", "version": 1, "user": {"email": "grace@example.com", "phone": "1"}, "usage": []}
    size, asked = 0, []

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal size
        yield (json.dumps(head)[:-1] + ', "sessions": [').encode()
        for number in range(40):
            named = exported | {"id": str(uuid4()), "title": f"Talk {number}"}
            named["messages"] = [message | {"id": str(uuid4())} for message in exported["messages"]]
            piece = (("," if number else "") + json.dumps(named)).encode()
            size += len(piece)
            yield piece
        yield b"]}"

    async def whose(profile: dict[str, Any]) -> UUID:
        asked.append(profile)
        return (await house.identity.recognise(profile["email"])).user.id

    tracemalloc.start()
    assert await house.exports.bring_back(pieces(), whose) == (40, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 2
    assert asked == [head["user"]]
    grace = Caller((await house.identity.recognise("grace@example.com")).user.id, "verified")
    assert len(await house.sessions.recent(grace, limit=50)) == 40


async def test_nobody_exports_what_is_not_theirs(house: House, caller: Caller) -> None:
    mine = await talk(house, caller, "Mine.")
    stranger = Caller((await house.identity.recognise("stranger@example.com")).user.id, "verified")
    with pytest.raises(SessionNotFound):
        await house.exports.export(stranger, "json", mine.id)
    assert b"Mine." not in await whole(await house.exports.export(stranger, "json"))
    visitor = Caller(caller.user_id, "claimed", mine.id)
    with pytest.raises(Forbidden):
        await house.exports.export(visitor, "json")
    assert b"Mine." in await whole(await house.exports.export(visitor, "csv", mine.id))


async def test_a_reply_in_the_middle_comes_back_as_interrupted(house: House, caller: Caller) -> None:
    session = await talk(house, caller, "Hello.")
    async with house.database.system() as connection:
        await connection.execute(
            "UPDATE messages SET status = 'running', content = %s WHERE session_id = %s AND seq = 2",
            (Jsonb("Half of"), session.id),
        )
    document = json.loads(await whole(await house.exports.export(caller, "json")))
    await house.sessions.delete(caller, session.id)
    await bring_back(house, document, caller.user_id)
    [_, reply] = await house.sessions.messages.of(caller, session.id)
    assert (reply.status, reply.content) == ("interrupted", "Half of")


async def test_over_http_an_export_is_a_file(server: RunningServer, email: str) -> None:
    def ask() -> None:
        with server.client(email) as client:
            session = client.post("/api/v1/sessions", json={"title": "By HTTP"}).json()
            for form, kind in service.MEDIA_TYPES.items():
                answer = client.get("/api/v1/me/export", params={"format": form})
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith(kind)
                assert f"rekindle.{service.SUFFIXES[form]}" in answer.headers["content-disposition"]
            answer = client.get("/api/v1/me/export", params={"session": session["id"]})
            assert [found["title"] for found in answer.json()["sessions"]] == ["By HTTP"]
            assert client.get("/api/v1/me/export", params={"session": "nonsense"}).status_code == 404
            assert client.get("/api/v1/me/usage").json()["total"]["turns"] == 0

    await asyncio.to_thread(ask)


async def test_the_commands_export_and_import(
    house: House, caller: Caller, email: str, data_dir: Path, tmp_path: Path, new_database: Callable[[], str]
) -> None:
    await talk(house, caller, "Take me with you.")
    file = tmp_path / "export.json"

    def rekindle(*arguments: str, database: str) -> subprocess.CompletedProcess[str]:
        environment = clean_environment(REKINDLE_DATABASE_URL=database, REKINDLE_DATA_DIR=str(data_dir))
        return forked.rekindle(*arguments, environment=environment)

    here, there = house.database.conninfo, new_database()
    done = await asyncio.to_thread(rekindle, "export", email, "-o", str(file), database=here)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o077 == 0  # a person's words are for who asked
    done = await asyncio.to_thread(rekindle, "import", str(file), database=there)
    assert done.stdout == "Brought back 1 session.\n", done.stderr
    done = await asyncio.to_thread(rekindle, "import", str(file), database=there)
    assert done.stdout == "Brought back 0 sessions. 1 was here already.\n"
    done = await asyncio.to_thread(rekindle, "export", email, "--format", "markdown", database=there)
    assert "Take me with you." in done.stdout
    assert (await asyncio.to_thread(rekindle, "export", "nobody@example.com", database=here)).returncode == 1
