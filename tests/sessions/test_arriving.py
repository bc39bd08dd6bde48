"""An export on its way in: in whatever pieces it comes, and however long it goes on."""

import json
import tracemalloc
from typing import Any

import pytest

from rekindle.errors import BodyTooLarge, InvalidRequest, MalformedBody
from rekindle.sessions.export.arriving import Arriving
from tests.page.past import past_session

TRICKY = 'x{"[ü🙂\\ "sessions": [ }]'


def export(count: int) -> bytes:
    sessions = [past_session(TRICKY, *[TRICKY] * 4, weeks=week, summary=TRICKY) for week in range(count)]
    head = {"format": "rekindle", "version": 1, "user": {"name": TRICKY}, "usage": [{"model": TRICKY}] * 3}
    return json.dumps({**head, "sessions": sessions, "more": [[{}]]}, ensure_ascii=False).encode()


def read(*pieces: bytes, most: int = 10**6) -> list[Any]:
    """What is in a file that comes in these pieces."""
    arriving = Arriving(most)
    found = [one for piece in pieces for one in arriving.feed(piece)]
    arriving.end()
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 1_000_000])
def test_sessions_come_out_as_they_went_in_whatever_the_pieces(size: int) -> None:
    document = export(3)
    found = read(*(document[at : at + size] for at in range(0, len(document), size)))
    assert [session.title for session in found] == [TRICKY] * 3
    assert [message.content for message in found[0].messages] == [TRICKY] * 4


def test_a_text_without_end_takes_no_memory_and_has_an_end() -> None:
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        read(*[b'"' + b"x" * 1_000_000 + b'"'] * 30, most=20_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"\xff\xfe", MalformedBody),
        (export(2)[:-40], InvalidRequest),
        (export(1).replace(b'"version": 1', b'"version": 2'), InvalidRequest),
        (export(1).replace(b'"rekindle"', b'"other"'), InvalidRequest),
        (b'{"sessions": [' + b"[" * 100_000, InvalidRequest),
        (b"}" * 1_000 + export(1), InvalidRequest),
    ],
)
def test_what_is_no_export_is_refused(document: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(document)
