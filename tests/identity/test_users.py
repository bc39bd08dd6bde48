"""Users: found and made by e-mail address; what is typed is a claim."""

import asyncio
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.errors import InvalidRequest
from rekindle.house import House
from rekindle.identity.service import clean_email


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann@Example.COM\n", "ann@example.com"),
        ("o'neil+tag@sub.example.co.uk", "o'neil+tag@sub.example.co.uk"),
        ("jürgen@exämple.de", "jürgen@exämple.de"),
        ("李@例子.中国", "李@例子.中国"),
    ],
)
def test_an_address_is_kept_without_outer_space_in_lower_case(typed: str, kept: str) -> None:
    assert clean_email(typed) == kept
    assert clean_email(kept) == kept


@pytest.mark.parametrize(
    "typed",
    ["", " ", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b c", "a\0@b", "a\n@b", "a@b\u202e", "x" * 250 + "@b.cd"],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest):
        clean_email(typed)


@given(st.text(max_size=300) | st.emails())
def test_whatever_is_taken_for_an_address_can_be_kept_and_found_again(typed: str) -> None:
    try:
        kept = clean_email(typed)
    except InvalidRequest:
        return
    assert clean_email(kept) == kept
    assert kept.encode()
    assert len(kept) <= 254
    assert not any(unicodedata.category(character)[0] in "CZ" for character in kept)


async def test_an_address_is_one_user_whoever_types_it(house: House, email: str) -> None:
    first = await house.identity.recognise(email, name="Ann", phone="555-9999")
    again = await house.identity.recognise(f" {email.upper()} ", name="Mallory", phone="666")
    assert (first.returning, again.returning) == (False, True)
    assert again.user == first.user
    assert (again.user.name, again.user.phone) == ("Ann", "555-9999")


async def test_who_checks_in_at_once_with_one_address_is_one_user(house: House, email: str) -> None:
    found = await asyncio.gather(*(house.identity.recognise(email, name=f"{n}") for n in range(20)))
    assert len({recognised.user.id for recognised in found}) == 1
    assert [recognised.returning for recognised in found].count(False) == 1


async def test_without_an_address_everybody_is_somebody_new(house: House) -> None:
    first, second = [await house.identity.recognise(None, name="Ann") for _ in range(2)]
    assert not first.returning
    assert not second.returning
    assert first.user.id != second.user.id


async def test_a_claim_proves_nothing_and_the_operators_word_does(house: House, email: str) -> None:
    claimed = (await house.identity.recognise(email)).user
    assert claimed.verified_at is None
    caller = await house.identity.read(await house.identity.vouch(email))
    assert (caller.user_id, caller.level, caller.session_id) == (claimed.id, "verified", None)
    proven = await house.identity.user(claimed.id)
    assert proven is not None
    assert proven.verified_at is not None
    await house.identity.vouch(email)
    assert await house.identity.user(claimed.id) == proven
