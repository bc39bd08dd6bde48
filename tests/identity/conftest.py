"""What the tests of identity stand on: a real mail server, and houses that send by it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.conftest import free_port


@dataclass
class MailBox:
    """The letters that came; `answer` is what the server says to a recipient."""

    letters: list[EmailMessage] = field(default_factory=list)
    answer: str = "250 OK"
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def code(self, email: str) -> str:
        """The code of the newest letter to an address."""
        for letter in reversed(self.letters):
            if letter["to"] == email:
                found = re.search(r"\b\d{6}\b", letter["subject"])
                assert found
                return found[0]
        raise AssertionError(f"no letter to {email}")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        letter = message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[MailBox]:
    """A real SMTP server."""
    box = MailBox(port=free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()
