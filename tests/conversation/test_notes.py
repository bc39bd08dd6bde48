"""What tools leave in a reply's metadata."""

from rekindle.assistants.assistant import Sourced
from rekindle.conversation.notes import MOST_SOURCES, NOTES_CHARS, Notes


def test_a_source_is_kept_once_and_has_a_number() -> None:
    notes = Notes()
    page = {"kind": "web", "title": "A page", "url": "https://example.com"}
    assert notes.add(Sourced((page, page))) == [{"id": "1", **page}]
    assert notes.add(Sourced((page, {**page, "title": "Another"}))) == [{"id": "2", **page, "title": "Another"}]
    assert notes.as_json is not None
    assert [source["id"] for source in notes.as_json["sources"]] == ["1", "2"]


def test_neither_sources_nor_notes_grow_without_bound() -> None:
    notes = Notes()
    notes.add(Sourced(tuple({"kind": "web", "title": str(number)} for number in range(2 * MOST_SOURCES))))
    notes.add(Sourced((), {"route": "web", "sources": [], "attempts": 1, "persisted": False}))
    notes.add(Sourced((), {"long": "x" * NOTES_CHARS}))
    kept = notes.as_json
    assert kept is not None
    assert (set(kept), len(kept["sources"]), kept["route"]) == ({"route", "sources"}, MOST_SOURCES, "web")
