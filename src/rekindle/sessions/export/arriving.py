"""A JSON export on its way in from somebody who may have changed it: read piece by piece, and taken at no word.

Whatever the file says, what is stored is a session as this house could have written it: messages numbered without a
gap, no time in the future, nothing that is another person's or that counts as used.
"""

import codecs
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, Field, ValidationError, model_validator

from rekindle.errors import BodyTooLarge, InvalidRequest, MalformedBody
from rekindle.sessions.export.formats import FORMAT, VERSION

Row = dict[str, Any]

MOST_SESSION_CHARS = 20_000_000
HEAD_CHARS = 1_000
"""How soon the file has to say what it is."""
BEFORE_CHARS = 40
"""What is kept of what was read, to see under which name a list opens."""
_SIGN = re.compile(r'["\\{}\[\]]')
_HEAD = re.compile(r'"(format|version)"\s*:\s*("\w*"|\d+)')
_SESSIONS = re.compile(r'"sessions"\s*:\s*\[$')


class Source(BaseModel, extra="allow"):
    """What a reply was given."""

    session_id: UUID | None = None


class ArrivingMessage(BaseModel):
    """A message of an export."""

    id: UUID
    seq: Annotated[int, Field(ge=1, lt=2**31)]
    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=1_000_000)]
    status: Literal["running", "complete", "failed", "cancelled", "interrupted"]
    created_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    idempotency_key: Annotated[str, Field(max_length=200)] | None = None
    attempt: Annotated[int, Field(ge=1, lt=2**31)] = 1
    model: Annotated[str, Field(max_length=200)] | None = None
    input_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    output_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    tokens_estimated: bool | None = None
    processing_time_ms: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    tools_used: list[dict[str, Any]] | None = None
    context_used: list[Source] | None = None
    error_code: Annotated[str, Field(max_length=100)] | None = None
    error_message: Annotated[str, Field(max_length=2_000)] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class ArrivingLists(BaseModel, extra="ignore"):
    """The structured part of a summary."""

    topics: list[str] = Field(default_factory=list)
    preferences: list[str] = Field(default_factory=list)
    open_questions: list[str] = Field(default_factory=list)
    milestones: list[str] = Field(default_factory=list)
    corrected: dict[str, str | list[str]] | None = None


class ArrivingSummary(BaseModel):
    """The summary of an export's session; its embedding is made anew, or done without."""

    summary: Annotated[str, Field(max_length=20_000)]
    metadata: ArrivingLists = Field(default_factory=ArrivingLists)
    through_seq: Annotated[int, Field(ge=1)]
    created_at: AwareDatetime


class ArrivingSession(BaseModel):
    """A session of an export, with its messages in order."""

    id: UUID
    assistant: Annotated[str, Field(max_length=200)]
    thread: Annotated[str, Field(max_length=300)] | None = None
    title: Annotated[str, Field(max_length=300)] | None = None
    titled_at: AwareDatetime | None = None
    started_at: AwareDatetime
    last_seen_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    lasting: bool = False
    state: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    summary: ArrivingSummary | None = None
    messages: list[ArrivingMessage]

    @model_validator(mode="after")
    def _whole(self) -> "ArrivingSession":
        if [message.seq for message in self.messages] != list(range(1, len(self.messages) + 1)):
            raise ValueError("messages are missing")
        if self.summary and self.summary.through_seq > len(self.messages):
            raise ValueError("the summary covers what is not there")
        return self

    def rows(self, user_id: UUID, *, renamed: bool = False) -> tuple[Row, list[Row], Row | None]:
        """The session, its messages and its summary as rows of this user's.

        `renamed`: under ids that this user and those of the file make, and without a thread.
        """
        now = datetime.now(UTC)
        session_id = uuid5(user_id, str(self.id)) if renamed else self.id
        owner = {"user_id": str(user_id), "session_id": str(session_id)}
        session: Row = self.model_dump(mode="json", exclude={"messages", "summary"}) | {
            "id": str(session_id),
            "user_id": str(user_id),
            "last_seq": len(self.messages),
            "started_at": min(self.started_at, now).isoformat(),
            "last_seen_at": min(self.last_seen_at, now).isoformat(),
        }
        if renamed:
            session["thread"] = None
        messages = []
        for message in self.messages:
            row = message.model_dump(mode="json") | owner
            row["status"] = "interrupted" if message.status == "running" else message.status  # nobody runs it any more
            row["id"] = str(uuid5(user_id, str(message.id))) if renamed else row["id"]
            messages.append(row)
        if self.summary is None:
            return session, messages, None
        summary = self.summary.model_dump(mode="json", exclude_none=True) | owner
        # New here, however old its talk: what just came is not cleaned up the next night.
        return session, messages, summary | {"updated_at": now.isoformat()}


class Arriving:
    """Reads an export as it comes, and gives each session as soon as it is whole; keeps no more than one of them."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._head = ""
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._begin: int | None = None
        self._inside = False
        self._checked = False

    def feed(self, piece: bytes) -> Iterator[ArrivingSession]:
        """The sessions that are whole with this piece; raises `InvalidRequest`, `MalformedBody`, `BodyTooLarge`."""
        self._bytes += len(piece)
        if self._bytes > self._most_bytes:
            raise BodyTooLarge(f"The export is larger than {self._most_bytes:,} bytes.")
        try:
            text = self._decode.decode(piece)
        except UnicodeDecodeError as error:
            raise MalformedBody("The export is not UTF-8.") from error
        self._text += text
        self._head += text[: max(0, HEAD_CHARS - len(self._head))]
        return self._sessions()

    def end(self) -> None:
        """It has all come; raises `InvalidRequest` when it is not whole."""
        if not self._checked or self._depth or self._in_string:
            raise InvalidRequest("This is no JSON export of Rekindle, or not all of one.")

    def _sessions(self) -> Iterator[ArrivingSession]:
        while found := _SIGN.search(self._text, self._at):
            sign, self._at = found.group(), found.end()
            if self._in_string:
                if sign == "\\":
                    if self._at == len(self._text):  # what it escapes is still to come
                        self._at -= 1
                        break
                    self._at += 1
                elif sign == '"':
                    self._in_string = False
            elif sign == '"':
                self._in_string = True
            elif sign in "{[":
                self._depth += 1
                if self._depth == 2 and sign == "[" and not self._checked:
                    self._inside = self._check_head()
                elif self._depth == 3 and sign == "{" and self._inside:
                    self._begin = found.start()
            elif sign in "}]":
                self._depth -= 1
                if self._depth == 1 and self._inside:
                    self._inside = False
                elif self._depth == 2 and self._begin is not None:
                    yield _session(self._text[self._begin : self._at])
                    self._begin = None
        self._drop()

    def _check_head(self) -> bool:
        """Whether the list that opens is that of the sessions."""
        if not _SESSIONS.search(self._text[max(0, self._at - BEFORE_CHARS) : self._at]):
            return False
        head = dict(_HEAD.findall(self._head))
        if head.get("format") != json.dumps(FORMAT):
            raise InvalidRequest("This is no JSON export of Rekindle.")
        if head.get("version") != str(VERSION):
            raise InvalidRequest(f"This export is of another version; this version of Rekindle reads {VERSION}.")
        self._checked = True
        return True

    def _drop(self) -> None:
        """Forget what has been read, but for a session that is not whole yet."""
        start = max(0, self._at - BEFORE_CHARS) if self._begin is None else self._begin
        if self._begin is not None:
            self._begin = 0
            if len(self._text) - start > MOST_SESSION_CHARS:
                raise BodyTooLarge(f"A session of this export is longer than {MOST_SESSION_CHARS:,} characters.")
        self._text, self._at = self._text[start:], self._at - start


def _session(text: str) -> ArrivingSession:
    if "\\u0000" in text:
        raise InvalidRequest("This export holds a NUL character, which cannot be stored.")
    try:
        return ArrivingSession.model_validate_json(text)
    except (ValidationError, RecursionError) as error:
        raise InvalidRequest("This export is damaged: a session is not as one is written.") from error
