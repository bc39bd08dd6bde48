"""Codes by e-mail: sent by a real server, good once, and silent about who is known."""

import asyncio
import io
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from rekindle.errors import InvalidRequest, TooManyRequests
from rekindle.house import House
from rekindle.identity.mail import MailNotSent, SmtpPost, TerminalPost, code_letter
from rekindle.identity.service import WrongCode
from tests.conftest import OpenHouse, free_port
from tests.identity.conftest import MailBox


@pytest.fixture
async def house(open_a_house: OpenHouse, mail: MailBox) -> House:
    made: House = await open_a_house(work=False, smtp_url=mail.url, mail_from="Acme Chat <chat@acme.example>")
    return made


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_code_comes_by_mail_and_proves_the_address_once(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(f"  {email.upper()} ", local=False)
    assert await house.codes.redeem(email, mail.code(email)) == email
    with pytest.raises(WrongCode):
        await house.codes.redeem(email, mail.code(email))


async def test_the_letter_is_plain_and_pretty(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    (letter,) = mail.letters
    code = mail.code(email)
    assert letter["subject"] == f"{code} is your code for Acme Chat"
    assert letter["from"] == "Acme Chat <chat@acme.example>"
    assert letter["auto-submitted"] == "auto-generated"
    text, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert text
    assert html
    assert f"    {code}" in text.get_content().splitlines()
    assert "10 minutes" in text.get_content()
    assert f">{code}</p>" in html.get_content()
    assert "<script" not in html.get_content()
    assert "http" not in html.get_content()  # nothing is fetched, nothing is clicked


async def test_five_wrong_tries_end_a_code(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    code = mail.code(email)
    for _ in range(5):
        with pytest.raises(WrongCode):
            await house.codes.redeem(email, wrong(code))
    with pytest.raises(WrongCode):
        await house.codes.redeem(email, code)


async def test_the_fifth_try_may_be_right(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    code = mail.code(email)
    for _ in range(4):
        with pytest.raises(WrongCode):
            await house.codes.redeem(email, wrong(code))
    assert await house.codes.redeem(email, code) == email


async def test_tries_at_once_are_five_too(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    code = mail.code(email)
    guesses = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, 30)]
    results = await asyncio.gather(*[house.codes.redeem(email, g) for g in guesses], return_exceptions=True)
    assert all(isinstance(result, WrongCode) for result in results)
    with pytest.raises(WrongCode):
        await house.codes.redeem(email, code)


async def test_one_code_redeemed_at_once_by_many_is_redeemed_by_one(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    code = mail.code(email)
    results = await asyncio.gather(*[house.codes.redeem(email, code) for _ in range(4)], return_exceptions=True)
    assert sorted(isinstance(result, str) for result in results) == [False, False, False, True]


async def test_a_new_code_voids_the_one_before(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    first = mail.code(email)
    await house.codes.send(email, local=False)
    if mail.code(email) != first:  # one in a million is the same
        with pytest.raises(WrongCode):
            await house.codes.redeem(email, first)
    assert await house.codes.redeem(email, mail.code(email)) == email


async def test_a_code_is_good_for_its_address_only(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    with pytest.raises(WrongCode):
        await house.codes.redeem(f"x{email}", mail.code(email))


async def test_a_code_is_too_old_after_ten_minutes(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    async with house.database.system() as connection:
        await connection.execute("UPDATE email_codes SET expires_at = expires_at - interval '10 minutes'")
    with pytest.raises(WrongCode):
        await house.codes.redeem(email, mail.code(email))


async def test_neither_code_nor_address_is_stored(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    async with house.database.system() as connection:
        rows = await (await connection.execute("SELECT c::text AS row FROM email_codes c")).fetchall()
    for secret in (email, email.encode().hex(), mail.code(email), mail.code(email).encode().hex()):
        assert all(secret not in row["row"] for row in rows)


async def test_a_known_address_costs_the_round_trips_of_an_unknown_one(house: House, mail: MailBox) -> None:
    trips = set()
    for known in (True, False):
        email = f"{uuid4().hex}@example.com"
        if known:
            await house.identity.recognise(email)
        before = house.database.round_trips
        await house.codes.send(email, local=False)
        trips.add(house.database.round_trips - before)
        assert mail.code(email)
    assert len(trips) == 1


async def test_an_address_is_written_to_so_often_and_no_more(
    open_a_house: OpenHouse, mail: MailBox, email: str
) -> None:
    house = await open_a_house(work=False, smtp_url=mail.url, address_limit="2/hour")
    await house.codes.send(email, local=False)
    await house.codes.send(email.upper(), local=False)
    with pytest.raises(TooManyRequests) as refused:
        await house.codes.send(email, local=False)
    assert 1 <= refused.value.extra["retry_after"] <= 3600
    await house.codes.send(f"x{email}", local=False)
    assert len(mail.letters) == 3


@pytest.mark.parametrize("address", ["", "no address", "a@b@c", "a@b\r\nBcc: c@example.com", "@", "a@", "@b"])
async def test_what_is_no_address_gets_no_mail(house: House, mail: MailBox, address: str) -> None:
    with pytest.raises(InvalidRequest):
        await house.codes.send(address, local=False)
    assert mail.letters == []


async def test_a_mailbox_that_refuses_is_not_told_of(house: House, mail: MailBox, email: str) -> None:
    mail.answer = "550 no such user"
    await house.codes.send(email, local=False)
    assert mail.letters == []


async def test_a_mail_server_that_is_away_is_told_of(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, smtp_url=f"smtp://127.0.0.1:{free_port()}")
    with pytest.raises(MailNotSent):
        await house.codes.send(email, local=False)


async def test_a_password_is_not_sent_in_the_clear() -> None:
    # Not on this machine, so TLS is asked for before anybody is named; nothing answers there.
    post: Any = SmtpPost("smtp://me:secret@mail.example.com")
    assert post._start_tls is True
    assert post._port == 587
    assert SmtpPost("smtps://me:secret@mail.example.com")._tls is True


async def test_without_mail_the_code_is_printed_for_this_machine_only(email: str) -> None:
    terminal = io.StringIO()
    letter: EmailMessage = code_letter(email, "012345", sender="Rekindle <rekindle@localhost>", minutes=10)
    await TerminalPost(terminal).send(letter, local=True)
    assert email in terminal.getvalue()
    assert "012345" in terminal.getvalue()
    with pytest.raises(MailNotSent):
        await TerminalPost(terminal).send(letter, local=False)


async def test_old_codes_leave_by_themselves(house: House, mail: MailBox, email: str) -> None:
    await house.codes.send(email, local=False)
    async with house.database.system() as connection:
        await connection.execute("UPDATE email_codes SET expires_at = now() - interval '1 second'")
    await house.codes.send(f"x{email}", local=False)
    async with house.database.system() as connection:
        row = await (await connection.execute("SELECT count(*) AS n FROM email_codes")).fetchone()
    assert row == {"n": 1}


def test_a_name_with_markup_stays_a_name(email: str) -> None:
    with time_machine.travel(0, tick=False):
        letter = code_letter(email, "012345", sender='"<b>Acme</b>" <chat@acme.example>', minutes=10)
    html = letter.get_body(("html",))
    assert html
    assert "<b>" not in html.get_content()
