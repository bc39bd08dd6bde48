"""The reader of LoCoMo's files: both layouts, and what is wrong in those that are not."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from rekindle.sessions.locomo import Fault, NotTalks, Talk, as_past, read_talks

TALK: dict[str, Any] = {
    "id": "conv-1",
    "speakers": ["Ida", "Noor"],
    "sessions": [
        {"id": "D1", "date": "2023-05-08T13:56:00", "date_text": "1:56 pm on 8 May, 2023"},
        {"id": "D2", "date": "2023-06-09T19:55:00", "date_text": "7:55 pm on 9 June, 2023"},
    ],
    "turns": [
        {"id": "D1:1", "s": 0, "speaker": "Ida", "text": "I adopted a greyhound."},
        {"id": "D1:2", "s": 0, "speaker": "Noor", "text": "Show me!"},
        {"id": "D1:3", "s": 0, "speaker": "Ida", "text": "Here.", "caption": "a photo of a grey dog"},
        {"id": "D2:1", "s": 1, "speaker": "Noor", "text": "How is the dog?"},
    ],
    "questions": [{"question": "What did Ida adopt?"}],
}
ORIGINAL: dict[str, Any] = {
    "sample_id": "conv-1",
    "conversation": {
        "speaker_a": "Ida",
        "speaker_b": "Noor",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [
            {"speaker": "Ida", "dia_id": "D1:1", "text": "I adopted a greyhound."},
            {"speaker": "Noor", "dia_id": "D1:2", "text": "Show me!"},
            {"speaker": "Ida", "dia_id": "D1:3", "text": "Here.", "blip_caption": "a photo of a grey dog"},
        ],
        "session_2_date_time": "7:55 pm on 9 June, 2023",
        "session_2": [{"speaker": "Noor", "dia_id": "D2:1", "text": "How is the dog?"}],
        "session_3_date_time": "8:00 am on 1 July, 2023",
    },
    "qa": [],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "talks.json"


def read(file: Path, *talks: object) -> list[Talk | Fault]:
    file.write_text(json.dumps(talks))
    return read_talks(file)


def the_talk(file: Path, talk: object) -> Talk:
    [found] = read(file, talk)
    assert isinstance(found, Talk), found
    return found


def test_both_layouts_hold_the_same_talk(file: Path) -> None:
    assert the_talk(file, TALK) == the_talk(file, ORIGINAL)


def test_each_of_the_two_becomes_the_user_of_their_own_copy(file: Path) -> None:
    talk = the_talk(file, TALK)
    ida, noor = talk.people
    assert (ida.email, noor.email) == ("ida.conv-1@locomo.invalid", "noor.conv-1@locomo.invalid")
    user_id = uuid4()
    session, messages = as_past(talk, talk.sittings[0], noor, user_id, "assistant")
    assert [(m.seq, m.role, m.content) for m in messages] == [
        (1, "assistant", "I adopted a greyhound."),
        (2, "user", "Show me!"),
        (3, "assistant", "Here. [shares a picture: a photo of a grey dog]"),
    ]
    assert {m.user_id for m in messages} == {session.user_id} == {user_id}
    assert messages[2].metadata == {"speaker": "Ida", "line": "D1:3", "caption": "a photo of a grey dog"}
    assert session.metadata == {"source": "locomo", "talk": "conv-1", "session": "D1", "with": "Ida"}
    assert session.last_seq == 3


def test_ids_are_of_the_session_s_date_and_the_same_each_time(file: Path) -> None:
    talk = the_talk(file, TALK)
    ida, noor = talk.people
    first, messages = as_past(talk, talk.sittings[0], ida, uuid4(), "assistant")
    again, _ = as_past(talk, talk.sittings[0], ida, uuid4(), "assistant")
    later, _ = as_past(talk, talk.sittings[1], ida, uuid4(), "assistant")
    others, _ = as_past(talk, talk.sittings[0], noor, uuid4(), "assistant")
    assert first.id == again.id != others.id
    assert first.id < later.id
    began = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert made_at(first.id) == began == first.started_at
    assert first.ended_at == began + timedelta(seconds=60) == messages[-1].created_at


def made_at(uuid7: UUID) -> datetime:
    return datetime.fromtimestamp((uuid7.int >> 80) / 1000, UTC)


def test_people_whose_names_make_the_same_address_get_two(file: Path) -> None:
    talk = copy.deepcopy(TALK) | {"speakers": ["Ida!", "Ida?"]}
    for turn in talk["turns"]:
        turn["speaker"] = {"Ida": "Ida!", "Noor": "Ida?"}[turn["speaker"]]
    assert [person.email for person in the_talk(file, talk).people] == [
        "ida-1.conv-1@locomo.invalid",
        "ida-2.conv-1@locomo.invalid",
    ]


def test_texts_that_cannot_be_stored_are_mended_and_counted(file: Path) -> None:
    talk = copy.deepcopy(TALK)
    talk["turns"][0]["text"] = "a\0b \ud83d"
    talk["turns"][1]["text"] = "\ud83d\ude00"  # a whole pair: a face
    mended = the_talk(file, talk)
    assert mended.mended == 1
    assert [line.text for line in mended.sittings[0].lines[:2]] == ["ab \ufffd", "😀"]


def test_blank_lines_and_sessions_without_lines_are_left_out(file: Path) -> None:
    talk = copy.deepcopy(TALK)
    talk["turns"][3]["text"] = "  "
    assert [sitting.id for sitting in the_talk(file, talk).sittings] == ["D1"]


def changed(**changes: object) -> dict[str, Any]:
    return copy.deepcopy(TALK) | changes


def with_turn(**changes: object) -> dict[str, Any]:
    talk = copy.deepcopy(TALK)
    talk["turns"][1] |= changes
    return talk


def with_date(date: str) -> dict[str, Any]:
    return changed(sessions=[{"id": "D1", "date": date}, TALK["sessions"][1]])


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in TALK.items() if name != key}


def original(**changes: object) -> dict[str, Any]:
    return {"sample_id": "conv-1", "conversation": {**ORIGINAL["conversation"], **changes}}


@pytest.mark.parametrize(
    ("talk", "wrong"),
    [
        (7, "talk 1: it is a whole number, not an object"),
        (without("id"), "talk 1: it has no `id`"),
        (changed(id="--"), "talk 1 (--): its id holds no letter and no digit"),
        (changed(speakers=["Ida"]), "talk 1 (conv-1): `speakers` holds 1 names, not 2"),
        (changed(speakers=["Ida", "Ida"]), "talk 1 (conv-1): both speakers are called 'Ida'"),
        (without("turns"), "talk 1 (conv-1): it has no `turns`"),
        (changed(turns=[]), "talk 1 (conv-1): nothing is said in it"),
        (with_turn(text=None), "talk 1 (conv-1), turn 2 (D1:2): `text` is null, not a text"),
        (with_turn(text=1.5), "talk 1 (conv-1), turn 2 (D1:2): `text` is a number, not a text"),
        (with_turn(caption=["x"]), "talk 1 (conv-1), turn 2 (D1:2): `caption` is a list, not a text"),
        (with_turn(s=2), "talk 1 (conv-1), turn 2: `s` is 2, but there are 2 sessions"),
        (with_turn(s=True), "talk 1 (conv-1), turn 2: `s` is true, not a whole number"),
        (
            with_turn(speaker="Eve"),
            "talk 1 (conv-1), session D1, line D1:2: 'Eve' is neither 'Ida' nor 'Noor'",
        ),
        (with_date("in May"), "talk 1 (conv-1), session 1: `date` is 'in May', not like 2023-05-08T13:56:00"),
        (with_date("2999-01-01"), "talk 1 (conv-1), session D1: its date, 2999-01-01, is not in the past since 1970"),
        (with_date("1066-10-14"), "talk 1 (conv-1), session D1: its date, 1066-10-14, is not in the past since 1970"),
        (
            changed(sessions=[TALK["sessions"][0], TALK["sessions"][0]]),
            "talk 1 (conv-1), session D1: an earlier session of the talk has this id",
        ),
        (
            original(session_2_date_time="9 June"),
            "talk 1 (conv-1), session_2: `session_2_date_time` is '9 June', not like '1:56 pm on 8 May, 2023'",
        ),
        (
            original(session_2=[{"speaker": "Noor", "dia_id": "D2:1"}]),
            "talk 1 (conv-1), session_2, line 1 (D2:1): it has no `text`",
        ),
        (original(session_2="hello"), "talk 1 (conv-1): `session_2` is a text, not a list"),
    ],
)
def test_a_malformed_talk_says_what_is_wrong_and_where(file: Path, talk: object, wrong: str) -> None:
    other = changed(id="conv-2")
    fault, kept = read(file, talk, other)
    assert str(fault) == wrong
    assert isinstance(kept, Talk), "one talk's faults are not another's"


def test_a_second_talk_of_the_same_id_is_a_fault(file: Path) -> None:
    first, second = read(file, TALK, changed(id="CONV 1"))
    assert isinstance(first, Talk)
    assert str(second) == "talk 2 (CONV 1): an earlier talk of the file has this id"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"[{", "is not JSON"),
        (b"\xff\xfe\xfa", "is not JSON"),
        (b"{}", "holds an object; a LoCoMo file holds a list of talks."),
        (b"null", "holds null"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_file_that_holds_no_talks_is_refused(file: Path, content: bytes, wrong: str) -> None:
    file.write_bytes(content)
    with pytest.raises(NotTalks, match=wrong):
        read_talks(file)


def test_a_missing_file_is_said_to_be_missing(file: Path) -> None:
    with pytest.raises(NotTalks, match="cannot be read: No such file or directory"):
        read_talks(file)
