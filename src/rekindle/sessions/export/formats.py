"""The formats of an export that are written piece by piece: JSON, Markdown, CSV."""

import csv
import io
import json
from abc import ABC, abstractmethod
from typing import Any

from rekindle.sessions.export.markdown import quiet, quiet_line

Row = dict[str, Any]

FORMAT = "rekindle"
VERSION = 1

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How what a spreadsheet runs begins; the last four are wide, and some take them for the others."""


class Writer(ABC):
    """Turns rows into text, in the order they come: the head, then each session with its messages, then the end."""

    media_type: str
    suffix: str

    @abstractmethod
    def head(self, person: Row) -> str:
        """What comes first. `person`: `{user, usage}`, or empty where one session is exported alone."""

    @abstractmethod
    def session(self, session: Row) -> str:
        """A session begins."""

    @abstractmethod
    def messages(self, session: Row, messages: list[Row]) -> str:
        """Some of a session's messages, in order."""

    def session_end(self) -> str:
        """The session is over."""
        return ""

    def end(self, known: list[Row]) -> str:
        """What comes last. `known`: what is known of the person; empty where sessions are exported alone."""
        return ""


class JsonWriter(Writer):
    """Everything, as it is in the tables; `rekindle import` reads it back."""

    media_type = "application/json"
    suffix = "json"

    def __init__(self) -> None:
        self._sessions = 0
        self._messages = 0

    def head(self, person: Row) -> str:
        """The object opens."""
        opening = {"format": FORMAT, "version": VERSION, **person}
        return _json(opening)[:-1] + ', "sessions": ['

    def session(self, session: Row) -> str:
        """The session's object opens."""
        comma = ",\n" if self._sessions else "\n"
        self._sessions += 1
        self._messages = 0
        return comma + _json(session)[:-1] + ', "messages": ['

    def messages(self, session: Row, messages: list[Row]) -> str:
        """One a line."""
        pieces = []
        for message in messages:
            pieces.append((",\n  " if self._messages else "\n  ") + _json(message))
            self._messages += 1
        return "".join(pieces)

    def session_end(self) -> str:
        """The session's object closes."""
        return "]}"

    def end(self, known: list[Row]) -> str:
        """What is known, one a line, and the object closes."""
        if not known:
            return "\n]}\n"
        return '\n], "known": [\n' + ",\n".join(map(_json, known)) + "\n]}\n"


class MarkdownWriter(Writer):
    """For reading: who said what, when. A viewer that opens it fetches nothing."""

    media_type = "text/markdown"
    suffix = "md"

    def head(self, person: Row) -> str:
        """A title."""
        email = (person.get("user") or {}).get("email")
        return f"# Conversations{f' of {email}' if email else ''}\n"

    def session(self, session: Row) -> str:
        """A heading, and the summary as a quotation."""
        lines = [
            "",
            f"## {quiet_line(title_of(session))}",
            "",
            f"{moment(session['started_at'])} · {session['assistant']}",
        ]
        if summary := session.get("summary"):
            lines += ["", *(f"> {quiet_line(line)}" for line in str(summary["summary"]).splitlines())]
        return "\n".join(lines) + "\n"

    def messages(self, session: Row, messages: list[Row]) -> str:
        """Each with its speaker and time."""
        return "".join(
            f"\n**{speaker(message)}** · {moment(message['created_at'])}{note(message)}\n\n"
            f"{quiet(message['content'])}\n"
            for message in messages
        )

    def end(self, known: list[Row]) -> str:
        """What is known, and since when."""
        in_effect = [thing for thing in known if thing["state"] in ("current", "corrected")]
        if not in_effect:
            return ""
        lines = [f"- {quiet_line(thing['text'])} ({thing['kind']}, {thing['valid_from'][:10]})" for thing in in_effect]
        return "\n".join(("", "## What is remembered", "", *lines)) + "\n"


COLUMNS = (
    "session_id",
    "session_title",
    "seq",
    "role",
    "created_at",
    "status",
    "content",
    "model",
    "input_tokens",
    "output_tokens",
    "error_code",
    "error_message",
)


class CsvWriter(Writer):
    """One message a row, for spreadsheets; no cell is taken for a formula."""

    media_type = "text/csv"
    suffix = "csv"

    def head(self, person: Row) -> str:
        """The names of the columns."""
        return _csv([COLUMNS])

    def session(self, session: Row) -> str:
        """Nothing: each row names its session."""
        return ""

    def messages(self, session: Row, messages: list[Row]) -> str:
        """One a row."""
        about = {"session_id": session["id"], "session_title": session["title"]}
        return _csv([tuple((about | message).get(column) for column in COLUMNS) for message in messages])


WRITERS: dict[str, type[Writer]] = {"json": JsonWriter, "markdown": MarkdownWriter, "csv": CsvWriter}


def inert(value: Any) -> Any:
    """The cell's value; text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def title_of(session: Row) -> str:
    """The session's name, on one line."""
    return " ".join(str(session["title"] or "A conversation").split())


def speaker(message: Row) -> str:
    """Who said it."""
    return "You" if message["role"] == "user" else "Assistant"


def moment(timestamp: str) -> str:
    """A time of the database, to the minute."""
    return timestamp[:16].replace("T", " ")


def note(message: Row) -> str:
    """How a reply ended, when it did not complete."""
    return "" if message["status"] == "complete" else f" · {message['status']}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _csv(rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([tuple(inert(cell) for cell in row) for row in rows])
    return text.getvalue()
