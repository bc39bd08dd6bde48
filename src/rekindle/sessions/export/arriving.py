"""A JSON export on its way in: read piece by piece, and taken at no word when it comes from somebody who may have
changed it.

Whatever such a file says, what is stored is a session as this house could have written it: messages numbered without a
gap, no time in the future, nothing that is another person's or that counts as used. The operator's own is as well
looked at, and then stored as it is.
"""

import codecs
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, Field, PrivateAttr, ValidationError, model_validator

from rekindle.errors import BodyTooLarge, InvalidRequest, MalformedBody
from rekindle.sessions.export.formats import FORMAT, VERSION

Row = dict[str, Any]

MOST_SESSION_CHARS = 20_000_000
MOST_OPERATORS_CHARS = 500_000_000
"""Of a session, or of what stands before all sessions, in the operator's own file."""
HEAD_CHARS = 1_000
"""How soon the file has to say what it is."""
BEFORE_CHARS = 40
"""What is kept of what was read, to see under which name a list opens."""
_SIGN = re.compile(r'["\\{}\[\]]')
_HEAD = re.compile(r'"(format|version)"\s*:\s*("\w*"|\d+)')
_LIST = re.compile(r'"(sessions|known)"\s*:\s*\[$')


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
    error_message: Annotated[str, Field(max_length=1_000_000)] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


Points = Annotated[list[Annotated[str, Field(max_length=1_000)]], Field(max_length=100)]
"""More and longer ones than a summary is written with here, or corrected to."""


class ArrivingLists(BaseModel, extra="ignore"):
    """The structured part of a summary."""

    topics: Points = Field(default_factory=list)
    preferences: Points = Field(default_factory=list)
    open_questions: Points = Field(default_factory=list)
    milestones: Points = Field(default_factory=list)
    corrected: Annotated[dict[str, Annotated[str, Field(max_length=20_000)] | Points], Field(max_length=10)] | None = (
        None
    )


class ArrivingSummary(BaseModel):
    """The summary of an export's session; its embedding is made anew, or done without."""

    summary: Annotated[str, Field(max_length=20_000)]
    metadata: ArrivingLists = Field(default_factory=ArrivingLists)
    through_seq: Annotated[int, Field(ge=1)]
    created_at: AwareDatetime


class ArrivingRolling(BaseModel):
    """A version of the summary of what left the session's window, and the range of messages that it covers."""

    version: Annotated[int, Field(ge=1, lt=2**31)]
    first_seq: Annotated[int, Field(ge=1)]
    through_seq: Annotated[int, Field(ge=1)]
    summary: Annotated[str, Field(max_length=20_000)]
    metadata: ArrivingLists = Field(default_factory=ArrivingLists)
    created_at: AwareDatetime


class ArrivingDerivation(BaseModel):
    """That a summary was read for what it tells; `passed_over`: that it is not to be."""

    passed_over: bool = False


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
    rolling: Annotated[list[ArrivingRolling], Field(max_length=100)] = Field(default_factory=list)
    derivation: ArrivingDerivation | None = None
    messages: list[ArrivingMessage]
    _as_it_is: Row | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _whole(self) -> "ArrivingSession":
        if [message.seq for message in self.messages] != list(range(1, len(self.messages) + 1)):
            raise ValueError("messages are missing")
        if self.summary and self.summary.through_seq > len(self.messages):
            raise ValueError("the summary covers what is not there")
        last = (0, 0)
        for version in self.rolling:
            reaches = (version.version, version.through_seq)
            if reaches[0] <= last[0] or not max(last[1] + 1, version.first_seq) <= reaches[1] <= len(self.messages):
                raise ValueError("a version of the rolling summary covers what is not there, or what the last one did")
            last = reaches
        return self

    def as_it_is(self, exported: Row) -> "ArrivingSession":
        """The same, with all that the operator's own file says of it."""
        self._as_it_is = exported
        return self

    def rows(self, user_id: UUID, *, renamed: bool = False) -> tuple[Row, list[Row], dict[str, list[Row]]]:
        """The session, its messages, and by their table its summaries and what is said of its reading, as rows of this
        user's.

        `renamed`: under ids that this user and those of the file make, and without a thread.
        """
        now = datetime.now(UTC)
        session_id = uuid5(user_id, str(self.id)) if renamed else self.id
        if self._as_it_is is not None:
            return _whole_rows(self._as_it_is, user_id, session_id, renamed=renamed)
        owner = {"user_id": str(user_id), "session_id": str(session_id)}
        session = _past(self, now, exclude={"messages", "summary", "rolling", "derivation"}) | {
            "id": str(session_id),
            "user_id": str(user_id),
            "last_seq": len(self.messages),
        }
        if renamed:
            session["thread"] = None
        if self.title is not None and "titled_at" not in self.model_fields_set:
            session["titled_at"] = now.isoformat()  # a file that knows nothing of naming: somebody gave this title
        messages = []
        for message in self.messages:
            row = _past(message, now) | owner
            row["status"] = "interrupted" if message.status == "running" else message.status  # nobody runs it any more
            row["id"] = str(uuid5(user_id, str(message.id))) if renamed else row["id"]
            messages.append(row)
        beside: dict[str, list[Row]] = {}
        if self.summary:
            # New here, however old its talk: what just came is not cleaned up the next night.
            beside["session_summaries"] = [
                _past(self.summary, now, exclude_none=True) | owner | {"updated_at": now.isoformat()}
            ]
        if self.rolling:
            beside["rolling_summaries"] = [_past(version, now, exclude_none=True) | owner for version in self.rolling]
        if self.derivation and (self.summary or self.derivation.passed_over):
            passed_over = self.derivation.passed_over
            beside["derivations"] = [{**owner, "summary_at": now.isoformat(), "passed_over": passed_over}]
        return session, messages, beside


class ArrivingThing(BaseModel):
    """Something known of a person, or the digests of what they had forgotten."""

    id: UUID
    kind: Literal["preference", "fact", "question", "interest"]
    text: Annotated[str, Field(min_length=1, max_length=500)] | None
    state: Literal["current", "superseded", "answered", "forgotten", "corrected"]
    session_id: UUID | None = None
    first_seq: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    last_seq: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    seen_at: AwareDatetime
    superseded_by: UUID | None = None
    barred: Annotated[list[Annotated[str, Field(pattern=r"^\\x([0-9a-f]{16}){0,500}$")]], Field(max_length=100)] = (
        Field(default_factory=list)
    )
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @model_validator(mode="after")
    def _whole(self) -> "ArrivingThing":
        if (self.text is None) != (self.state == "forgotten"):
            raise ValueError("what is forgotten has no text, and all else has")
        if self.session_id is None and self.state not in ("forgotten", "corrected"):
            raise ValueError("what is derived has a source")
        return self

    def row(self, user_id: UUID, own: set[UUID]) -> Row | None:
        """The thing as a row of this user's, `own` being their sessions; None when it is from none of them."""
        session_id = self.session_id
        if session_id is not None and session_id not in own:
            session_id = uuid5(user_id, str(session_id))
            if session_id not in own:
                return None
        now = datetime.now(UTC)
        return _past(self, now) | {"user_id": str(user_id), "session_id": str(session_id) if session_id else None}


class ArrivingPerson(BaseModel, extra="ignore"):
    """Whose the operator's own file is, and what they used and set."""

    user: Row | None = None
    usage: list[Row] = Field(default_factory=list)
    memory_settings: Row | None = None


Part = ArrivingPerson | ArrivingSession | ArrivingThing


class Arriving:
    """Reads an export as it comes, and gives each session, and then each thing known, as soon as it is whole.

    It keeps no more than one of them. Without `most_bytes` the file is the operator's own: it gives its person first,
    and of its sessions all that it says.
    """

    def __init__(self, most_bytes: int | None) -> None:
        self._most_bytes = most_bytes
        self._own = most_bytes is None
        self._most_chars = MOST_OPERATORS_CHARS if self._own else MOST_SESSION_CHARS
        self._person: ArrivingPerson | None = None
        self._bytes = 0
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._head = ""
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._begin: int | None = None
        self._inside = ""
        self._checked = False

    def feed(self, piece: bytes) -> Iterator[Part]:
        """What is whole with this piece; raises `InvalidRequest`, `MalformedBody`, `BodyTooLarge`."""
        self._bytes += len(piece)
        if self._most_bytes is not None and self._bytes > self._most_bytes:
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

    def _sessions(self) -> Iterator[Part]:
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
                if self._depth == 2 and sign == "[":
                    self._inside = self._list_that_opens()
                    if self._person:
                        yield self._person
                        self._person = None
                elif self._depth == 3 and sign == "{" and self._inside:
                    self._begin = found.start()
            elif sign in "}]":
                self._depth -= 1
                if self._depth == 1 and self._inside:
                    self._inside = ""
                elif self._depth == 2 and self._begin is not None:
                    text = self._text[self._begin : self._at]
                    yield self._read(text)
                    self._begin = None
        else:
            self._at = len(self._text)
        self._drop()

    def _list_that_opens(self) -> str:
        """`sessions`, once, or after them `known`, or nothing for a list that is not read."""
        named = _LIST.search(self._text[max(0, self._at - BEFORE_CHARS) : self._at])
        if named is None or (named[1] == "known") != self._checked:
            return ""
        if self._checked:
            return named[1]
        head = dict(reversed(_HEAD.findall(self._head)))  # its own come first: what it holds may have such names, too
        if head.get("format") != json.dumps(FORMAT):
            raise InvalidRequest("This is no JSON export of Rekindle.")
        if head.get("version") != str(VERSION):
            raise InvalidRequest(f"This export is of another version; this version of Rekindle reads {VERSION}.")
        self._checked = True
        if self._own:
            self._person = _validated(ArrivingPerson, self._text[: self._at] + "]}")
        return named[1]

    def _read(self, text: str) -> ArrivingSession | ArrivingThing:
        if self._inside == "known":
            return _validated(ArrivingThing, text)
        session = _validated(ArrivingSession, text)
        return session.as_it_is(json.loads(text)) if self._own else session

    def _drop(self) -> None:
        """Forget what has been read, but for a session that is not whole yet."""
        start = max(0, self._at - BEFORE_CHARS) if self._begin is None else self._begin
        if self._own and not self._checked:
            start = 0  # the person's is read as a whole
        if self._begin is not None:
            self._begin = 0
        if len(self._text) - start > self._most_chars:
            raise BodyTooLarge(f"A part of this export is longer than {self._most_chars:,} characters.")
        self._text, self._at = self._text[start:], self._at - start


def _past(arrived: BaseModel, now: datetime, **options: Any) -> Row:
    """What came, as JSON, with no time after `now`."""
    row: Row = arrived.model_dump(mode="json", **options)
    times = {name: value for name in row if isinstance(value := getattr(arrived, name), datetime)}
    return row | {name: min(when, now).isoformat() for name, when in times.items()}


def _whole_rows(
    exported: Row, user_id: UUID, session_id: UUID, *, renamed: bool
) -> tuple[Row, list[Row], dict[str, list[Row]]]:
    """The session's rows with all that its file says of it: also what nobody may say of their own."""
    owner = {"user_id": str(user_id), "session_id": str(session_id)}
    tables = {
        "messages": "messages",
        "summary": "session_summaries",
        "rolling": "rolling_summaries",
        "derivation": "derivations",
    }
    rows: dict[str, list[Row]] = {}
    for name, table in tables.items():
        if found := exported.get(name):
            rows[table] = [{**row, **owner} for row in (found if isinstance(found, list) else [found])]
    messages = rows.pop("messages", [])
    for message in messages:
        if message["status"] == "running":
            message["status"] = "interrupted"  # nobody runs it any more
        if renamed:
            message["id"] = str(uuid5(user_id, message["id"]))
    session = {name: value for name, value in exported.items() if name not in tables}
    session |= {"id": str(session_id), "user_id": str(user_id), "last_seq": len(messages)}
    session |= {"thread": None} if renamed else {}
    return session, messages, rows


Model = TypeVar("Model", bound=BaseModel)


def _validated(shape: type[Model], text: str) -> Model:
    if "\\u0000" in text:
        raise InvalidRequest("This export holds a NUL character, which cannot be stored.")
    try:
        return shape.model_validate_json(text)
    except (ValidationError, RecursionError) as error:
        raise InvalidRequest("This export is damaged: a part of it is not as one is written.") from error
