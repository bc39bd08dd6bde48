"""How what a summary tells settles among what is known: said again, brought up to date, barred, or new."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from rekindle.ids import uuid7
from rekindle.memory.profile.derivation import Derived, Told
from rekindle.memory.profile.likeness import Bars, are_alike, gist, nearest
from rekindle.memory.profile.opposites import Claim
from rekindle.memory.profile.store import Kind, Thing
from rekindle.sessions.service import Message

LOOKED_AT = 4_000
"""Characters of a message in which what a summary tells is looked up."""
_FAMILY: dict[Kind, str] = {"preference": "of them", "fact": "of them", "question": "question", "interest": "interest"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when something was said."""

    session_id: UUID
    first_seq: int
    last_seq: int
    at: datetime


class Talk:
    """A session's messages, in which what its summary tells can be found."""

    def __init__(self, session_id: UUID, messages: Sequence[Message]) -> None:
        """`messages` in their order, at least one."""
        self._session_id = session_id
        self._messages = [message for message in messages if message.content and not message.replaced] or [*messages]
        self._texts = [message.content[:LOOKED_AT] for message in self._messages]
        self._gists = [gist(text) for text in self._texts]

    def locate(self, text: str) -> Place:
        """The message that says it, the user's first, else all of them."""
        place = nearest(text, self._texts, self._gists, [message.role == "user" for message in self._messages])
        if place is not None:
            found = self._messages[place]
            return Place(self._session_id, found.seq, found.seq, found.created_at)
        first, last = self._messages[0], self._messages[-1]
        return Place(self._session_id, first.seq, last.seq, last.created_at)


class Settling:
    """One derivation, settling among the things known: `new` and `changed` are what becomes of it."""

    def __init__(self, known: Sequence[Thing], bars: Bars) -> None:
        self._things = {thing.id: thing for thing in known}
        self._claims = {thing.id: Claim.of(thing.text) for thing in known if thing.text}
        self._barred = [digests for thing in known for digests in thing.barred]
        self._bars = bars
        self._new: dict[UUID, Thing] = {}
        self._changed: set[UUID] = set()

    @property
    def new(self) -> list[Thing]:
        """What was not known."""
        return list(self._new.values())

    @property
    def changed(self) -> list[Thing]:
        """What was known and is not as it was."""
        return [self._things[thing_id] for thing_id in self._changed]

    def settle(self, derived: Derived, talk: Talk) -> None:
        """Take in what a summary tells, and what it answers."""
        for told in derived.told:
            self._take(told, talk.locate(told.text))
        for thing_id in derived.answered:
            thing = self._things.get(thing_id)
            if thing and thing.kind == "question" and thing.state == "current" and thing_id not in self._new:
                self._change(replace(thing, state="answered", valid_to=talk.locate(thing.text or "").at))

    def _take(self, told: Told, place: Place) -> None:
        claim = Claim.of(told.text)
        rivals = [thing for thing in self._things.values() if thing.text and _FAMILY[thing.kind] == _FAMILY[told.kind]]
        alike = [
            thing
            for thing in rivals
            if (are_alike(claim.gist, self._claims[thing.id].gist) or thing.text == told.text)
            and self._claims[thing.id].negative == claim.negative
        ]
        for thing in alike:
            if thing.state in ("current", "corrected"):
                self._again(thing, place)
                return
        if self._bars.hold(self._barred, told.text):
            return
        for thing in alike:
            if thing.valid_to and place.at <= thing.valid_to:  # known to have been so, and to be so no longer
                return
        of_them = _FAMILY[told.kind] == "of them"
        against = [
            thing
            for thing in rivals
            if thing.state in ("current", "corrected")
            and (thing.id in told.replaces or (of_them and claim.contradicts(self._claims[thing.id])))
        ]
        if any(thing.state == "corrected" for thing in against):
            return  # the user's own word stands
        later = [
            thing
            for thing in against
            if thing.seen_at > place.at and (thing.id in told.replaces or self._claims[thing.id].supersedes(claim))
        ]
        thing = Thing(
            id=uuid7(),
            kind=told.kind,
            text=told.text,
            state="superseded" if later else "current",
            session_id=place.session_id,
            first_seq=place.first_seq,
            last_seq=place.last_seq,
            valid_from=place.at,
            valid_to=max(min(one.valid_from for one in later), place.at) if later else None,
            seen_at=place.at,
            superseded_by=later[0].id if later else None,
            barred=(),
            created_at=place.at,
            updated_at=place.at,
        )
        self._new[thing.id] = self._things[thing.id] = thing
        self._claims[thing.id] = claim
        if not later:
            for old in against:
                if old.seen_at <= place.at and (old.id in told.replaces or claim.supersedes(self._claims[old.id])):
                    self._change(replace(old, state="superseded", valid_to=place.at, superseded_by=thing.id))

    def _again(self, thing: Thing, place: Place) -> None:
        if place.at > thing.seen_at and thing.state == "current":
            self._change(
                replace(
                    thing,
                    session_id=place.session_id,
                    first_seq=place.first_seq,
                    last_seq=place.last_seq,
                    seen_at=place.at,
                )
            )
        elif place.at < thing.valid_from and thing.state == "current":
            self._change(replace(thing, valid_from=place.at))

    def _change(self, thing: Thing) -> None:
        self._things[thing.id] = thing
        if thing.id in self._new:
            self._new[thing.id] = thing
        else:
            self._changed.add(thing.id)
