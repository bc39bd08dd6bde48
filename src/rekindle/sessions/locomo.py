"""Talks as the LoCoMo data set has them: two people over many sessions. Read from its files into past sessions.

Two layouts are read, each a JSON list of talks; what else a talk holds is ignored:

    {"id", "speakers": [A, B], "sessions": [{"id", "date"}], "turns": [{"id", "s", "speaker", "text", "caption"?}]}
    {"sample_id", "conversation": {"speaker_a", "speaker_b", "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [{"speaker", "dia_id", "text", "blip_caption"?}], …}}

`s` is a session's place in `sessions`, from 0. Each of the two people becomes a user, to whom the other is the
assistant: a talk gives every one of its sessions twice.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from rekindle.assistants.text import clean, folded, with_picture
from rekindle.errors import InvalidRequest
from rekindle.ids import uuid7
from rekindle.sessions.messages.store import Message
from rekindle.sessions.store import Session

T = TypeVar("T")

LINE_SECONDS = 30
"""Between two lines of a session, of which the files tell the beginning only."""
HOST = "locomo.invalid"
"""No mail ever reaches this host (RFC 2606)."""

_ORIGINAL_DATE = "%I:%M %p on %d %B, %Y"
_SESSION = re.compile(r"session_(\d{1,6})")
_KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


class NotTalks(InvalidRequest):
    """The file does not hold talks as LoCoMo has them."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one of the two said. `caption` describes the picture they shared with it, if they did."""

    id: str
    speaker: str
    text: str
    caption: str | None

    @property
    def content(self) -> str:
        """The text, and the picture in words."""
        return with_picture(self.text, self.caption)


@dataclass(frozen=True, slots=True)
class Sitting:
    """One session of a talk: when it began, and its lines, of which there is at least one."""

    id: str
    began: datetime
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """One of the two people of a talk, as a user."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Talk:
    """Two people over many sessions. `mended`: texts that held characters which cannot be stored."""

    id: str
    speakers: tuple[str, str]
    sittings: tuple[Sitting, ...]
    mended: int

    @property
    def people(self) -> tuple[Person, Person]:
        """The two as users: `caroline.conv-26@locomo.invalid`. The same names give the same addresses."""
        first, second = (_slug(speaker) for speaker in self.speakers)
        if first == second:
            first, second = f"{first}-1".lstrip("-"), f"{second}-2".lstrip("-")
        talk = _slug(self.id)
        one, other = (
            Person(name, f"{slug or 'nameless'}.{talk}@{HOST}")
            for name, slug in zip(self.speakers, (first, second), strict=True)
        )
        return one, other


@dataclass(frozen=True, slots=True)
class Fault:
    """A talk that cannot be read: what is wrong, and where."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def read_talks(path: Path) -> list[Talk | Fault]:
    """The talks of a file; one that is malformed is a fault and spoils no other. Raises `NotTalks`."""
    try:
        talks = json.loads(path.read_bytes())
    except OSError as error:
        raise NotTalks(f"{path} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise NotTalks(f"{path} is not JSON: {error}.") from error
    except RecursionError as error:
        raise NotTalks(f"{path} is nested too deeply to be talks.") from error
    if not isinstance(talks, list):
        raise NotTalks(f"{path} holds {_kind(talks)}; a LoCoMo file holds a list of talks.")
    found: list[Talk | Fault] = []
    known: set[str] = set()
    for number, talk in enumerate(talks, 1):
        reader = _Reader(f"talk {number}")
        try:
            read = reader.talk(talk)
            if _slug(read.id) in known:
                raise _Malformed(reader.where, "an earlier talk of the file has this id")
        except _Malformed as error:
            found.append(Fault(error.where, error.what))
        else:
            known.add(_slug(read.id))
            found.append(read)
    return found


def as_past(
    talk: Talk, sitting: Sitting, person: Person, user_id: UUID, assistant: str
) -> tuple[Session, list[Message]]:
    """A sitting as the ended session of one of the two. Its ids are the same each time, and of its date."""
    [other] = [name for name in talk.speakers if name != person.name]
    session_id = uuid7(sitting.began, seed=f"{person.email} {sitting.id}")
    messages = []
    for seq, line in enumerate(sitting.lines, 1):
        said = sitting.began + timedelta(seconds=LINE_SECONDS * (seq - 1))
        caption = {"caption": line.caption} if line.caption else {}
        message = Message(
            id=uuid7(said, seed=f"{person.email} {sitting.id} {seq}"),
            session_id=session_id,
            user_id=user_id,
            seq=seq,
            role="user" if line.speaker == person.name else "assistant",
            content=line.content,
            status="complete",
            created_at=said,
            completed_at=said,
            metadata={"speaker": line.speaker, "line": line.id, **caption},
        )
        messages.append(message)
    session = Session(
        id=session_id,
        user_id=user_id,
        cookie_sid=None,
        assistant=assistant,
        thread=None,
        title=f"With {folded(other, 40)}: {folded(messages[0].content, 80)}",
        last_seq=len(messages),
        started_at=sitting.began,
        last_seen_at=messages[-1].created_at,
        ended_at=messages[-1].created_at,
        metadata={"source": "locomo", "talk": talk.id, "session": sitting.id, "with": other},
    )
    return session, messages


class _Malformed(Exception):
    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where = where
        self.what = what


class _Reader:
    """Reads one talk, and knows where it is in it."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.mended = 0

    def talk(self, talk: object) -> Talk:
        table = self._of(dict, talk, self.where)
        original = "conversation" in table
        talk_id = self._text(table, "sample_id" if original else "id", self.where)
        self.where += f" ({folded(talk_id, 60)})"
        if not _slug(talk_id):
            raise _Malformed(self.where, "its id holds no letter and no digit")
        speakers, sittings = self._original(table) if original else self._rewritten(table)
        if speakers[0] == speakers[1]:
            raise _Malformed(self.where, f"both speakers are called {speakers[0]!r}")
        sittings = tuple(sitting for sitting in sittings if sitting.lines)
        if not sittings:
            raise _Malformed(self.where, "nothing is said in it")
        known: set[str] = set()
        for sitting in sittings:
            where = f"{self.where}, session {folded(sitting.id, 60)}"
            if sitting.id in known:
                raise _Malformed(where, "an earlier session of the talk has this id")
            known.add(sitting.id)
            if not datetime(1970, 1, 1, tzinfo=UTC) <= sitting.began <= datetime.now(UTC):
                raise _Malformed(where, f"its date, {sitting.began:%Y-%m-%d}, is not in the past since 1970")
            for line in sitting.lines:
                if line.speaker not in speakers:
                    at = f"{where}, line {line.id}"
                    raise _Malformed(at, f"{line.speaker!r} is neither {speakers[0]!r} nor {speakers[1]!r}")
        return Talk(talk_id, speakers, sittings, self.mended)

    def _rewritten(self, table: dict[str, Any]) -> tuple[tuple[str, str], tuple[Sitting, ...]]:
        names = self._member(table, "speakers", list, self.where)
        if len(names) != 2:
            raise _Malformed(self.where, f"`speakers` holds {len(names)} names, not 2")
        one, other = (self._name(self._of(str, name, f"{self.where}, speakers")) for name in names)
        heads = []
        for place, item in enumerate(self._member(table, "sessions", list, self.where), 1):
            where = f"{self.where}, session {place}"
            head = self._of(dict, item, where)
            date = self._text(head, "date", where)
            try:
                began = datetime.fromisoformat(date)
            except ValueError:
                raise _Malformed(where, f"`date` is {date[:60]!r}, not like 2023-05-08T13:56:00") from None
            heads.append((self._text(head, "id", where), began if began.tzinfo else began.replace(tzinfo=UTC)))
        lines: list[list[Line]] = [[] for _ in heads]
        for place, item in enumerate(self._member(table, "turns", list, self.where), 1):
            where = f"{self.where}, turn {place}"
            turn = self._of(dict, item, where)
            at = self._member(turn, "s", int, where)
            if not 0 <= at < len(heads):
                raise _Malformed(where, f"`s` is {at}, but there are {len(heads)} sessions")
            lines[at] += self._line(turn, "id", "caption", where)
        sittings = (Sitting(*head, tuple(said)) for head, said in zip(heads, lines, strict=True))
        return (one, other), tuple(sittings)

    def _original(self, table: dict[str, Any]) -> tuple[tuple[str, str], tuple[Sitting, ...]]:
        talk = self._member(table, "conversation", dict, self.where)
        one, other = (self._name(self._text(talk, f"speaker_{which}", self.where)) for which in "ab")
        numbers = sorted(int(match[1]) for key in talk if (match := _SESSION.fullmatch(key)))
        sittings = []
        for number in numbers:
            key, where = f"session_{number}", f"{self.where}, session_{number}"
            date = self._text(talk, f"{key}_date_time", where)
            try:
                began = datetime.strptime(date.strip(), _ORIGINAL_DATE).replace(tzinfo=UTC)
            except ValueError:
                raise _Malformed(
                    where, f"`{key}_date_time` is {date[:60]!r}, not like '1:56 pm on 8 May, 2023'"
                ) from None
            lines: list[Line] = []
            for place, item in enumerate(self._member(talk, key, list, self.where), 1):
                at = f"{where}, line {place}"
                lines += self._line(self._of(dict, item, at), "dia_id", "blip_caption", at)
            sittings.append(Sitting(f"D{number}", began, tuple(lines)))
        return (one, other), tuple(sittings)

    def _line(self, turn: dict[str, Any], key: str, caption_key: str, where: str) -> Iterator[Line]:
        """The line, unless it is blank: there is nothing to keep of it then."""
        line_id = self._text(turn, key, where)
        where = f"{where} ({folded(line_id, 60)})"
        caption = self._text(turn, caption_key, where).strip() if turn.get(caption_key) is not None else None
        speaker = self._name(self._text(turn, "speaker", where))
        line = Line(line_id, speaker, self._text(turn, "text", where).strip(), caption or None)
        if line.content:
            yield line

    def _text(self, table: dict[str, Any], key: str, where: str) -> str:
        text = self._member(table, key, str, where)
        mended = clean(text)
        self.mended += mended != text
        return mended

    def _member(self, table: dict[str, Any], key: str, kind: type[T], where: str) -> T:
        if key not in table:
            raise _Malformed(where, f"it has no `{key}`")
        return self._of(kind, table[key], where, f"`{key}`")

    @staticmethod
    def _of(kind: type[T], value: object, where: str, what: str = "it") -> T:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _Malformed(where, f"{what} is {_kind(value)}, not {_KINDS[kind]}")
        return value

    @staticmethod
    def _name(name: str) -> str:
        return folded(name, 200)


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return next((words for kind, words in _KINDS.items() if isinstance(value, kind)), "a number")


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")[:60]
