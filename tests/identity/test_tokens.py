"""Our own tokens, and the key that signs them."""

import base64
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.errors import ConfigurationError, Unauthenticated
from rekindle.identity.tokens import MAX_LENGTH, Tokens, keep_secret
from tests.conftest import SECRET

TOKENS = Tokens(SECRET)


def refused(token: str) -> bool:
    """Whether a token is none that holds; anything but a plain refusal fails the test."""
    try:
        TOKENS.read(token)
    except Unauthenticated:
        return True
    return False


def test_a_token_says_who_it_speaks_for() -> None:
    user, session = uuid4(), uuid4()
    claims = TOKENS.read(TOKENS.issue(user, "claimed", session, days=1))
    assert (claims.user_id, claims.level, claims.session_id) == (user, "claimed", session)
    claims = TOKENS.read(TOKENS.issue(user, "verified", None, days=1))
    assert (claims.user_id, claims.level, claims.session_id) == (user, "verified", None)


def test_a_token_ends_with_its_time() -> None:
    assert not refused(TOKENS.issue(uuid4(), "verified", None, days=1 / 86_400 * 10))
    assert refused(TOKENS.issue(uuid4(), "verified", None, days=-1))


def test_no_single_character_of_a_token_can_be_changed() -> None:
    token = TOKENS.issue(uuid4(), "verified", None, days=1)
    holds = [
        place
        for place, character in enumerate(token)
        if not refused(token[:place] + ("A" if character != "A" else "Q") + token[place + 1 :])
    ]
    # The last character holds only four bits of the signature: another spelling of the same is the same.
    assert set(holds) <= {len(token) - 1}


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,5}", fullmatch=True))
def test_whatever_is_no_token_is_refused(text: str) -> None:
    assert refused(text)


@given(st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_bytes_are_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    "header", ['{"alg": "HS256", "crit": 5}', '{"alg": ["HS256"]}', '{"alg": 5}', "[]", "5", "[" * 3000]
)
def test_a_header_of_any_shape_is_refused(header: str) -> None:
    written = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
    assert refused(f"{written}.e30.x")


def test_a_token_that_is_longer_than_any_is_not_even_read() -> None:
    token = TOKENS.issue(uuid4(), "verified", None, days=1)
    assert len(token) < MAX_LENGTH
    assert refused(token + "A" * MAX_LENGTH)


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_key_that_is_too_short_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError):
        Tokens(secret)


def test_the_data_folder_keeps_one_key_for_its_owner_alone(tmp_path: Path) -> None:
    secret = keep_secret(tmp_path)
    assert keep_secret(tmp_path) == secret
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    Tokens(secret)
    (tmp_path / "other").mkdir()
    assert keep_secret(tmp_path / "other") != secret


def test_servers_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        assert len(set(at_once(8, partial(keep_secret, folder)))) == 1


def at_once(count: int, work: Callable[[], str]) -> list[str]:
    """What `work` gives in so many threads that begin together."""
    start, found = threading.Barrier(count), list[str]()

    def run() -> None:
        start.wait()
        found.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == count
    return found
