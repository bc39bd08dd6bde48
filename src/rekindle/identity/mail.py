"""Mail with codes: by SMTP, or on the terminal of the machine one develops on."""

import html
import ssl
import sys
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Protocol, TextIO
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from rekindle.errors import ConfigurationError, Unavailable
from rekindle.settings import Settings

log = structlog.get_logger()

SECONDS = 10.0
"""Longest time one step of sending may take."""

TEXT = """\
Your code for {product} is

    {code}

Enter it where you were asked for it. It is good for {minutes} minutes and can be used once.

If you did not ask for it, do nothing: without the code nobody gets in.
"""

HTML = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Your code</title></head>
<body style="margin:0;padding:32px 16px;background:#f4f4f1;font:16px/1.5 -apple-system,'Segoe UI',Roboto,sans-serif;\
color:#1d1d1b">
<div style="max-width:440px;margin:0 auto;padding:32px;background:#ffffff;border:1px solid #e2e2dc;border-radius:12px">
<p style="margin:0 0 16px">Your code for {product} is</p>
<p style="margin:0 0 16px;padding:16px;background:#f4f4f1;border-radius:8px;text-align:center;\
font:600 32px/1.2 ui-monospace,Menlo,Consolas,monospace;letter-spacing:8px">{code}</p>
<p style="margin:0 0 16px">Enter it where you were asked for it. It is good for {minutes} minutes and can be used \
once.</p>
<p style="margin:0;color:#6b6b66;font-size:14px">If you did not ask for it, do nothing: without the code nobody gets \
in.</p>
</div>
</body>
</html>
"""


class MailNotSent(Unavailable):
    """The mail could not be sent. Try again in a moment."""

    code = "mail_not_sent"


class Post(Protocol):
    """What sends letters."""

    async def send(self, letter: EmailMessage, *, local: bool) -> None:
        """Send a letter; `local` when this machine asks for it. Raises `MailNotSent`."""
        ...


class SmtpPost:
    """Sends by an SMTP server. A password goes over TLS only, unless the server is this machine."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise ConfigurationError("The port in REKINDLE_SMTP_URL is not a number.") from error
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ConfigurationError("REKINDLE_SMTP_URL should look like smtp://name:password@mail.example.com:587.")
        self._host = parts.hostname
        self._port = port or (465 if parts.scheme == "smtps" else 587 if parts.username else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = parts.scheme == "smtps"
        here = self._host in ("localhost", "127.0.0.1", "::1")
        self._start_tls = True if self._user and not self._tls and not here else None if not self._tls else False

    async def send(self, letter: EmailMessage, *, local: bool) -> None:
        """Hand a letter to the server. One who is refused is not told: that would say which addresses there are."""
        try:
            await aiosmtplib.send(
                letter,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._tls,
                start_tls=self._start_tls,
                timeout=SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused:
            log.info("mail.recipient_refused")
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, TimeoutError) as error:
            log.warning("mail.not_sent", error=type(error).__name__)
            raise MailNotSent from error


class TerminalPost:
    """Prints letters where the server was started, when nobody has set up mail; for visitors of this machine only."""

    def __init__(self, terminal: TextIO | None = None) -> None:
        self._terminal = terminal

    async def send(self, letter: EmailMessage, *, local: bool) -> None:
        """Print a letter on standard error."""
        if not local:
            raise MailNotSent("This server has no mail set up (REKINDLE_SMTP_URL), so it cannot send a code.")
        text = letter.get_body(("plain",))
        body = text.get_content() if text else ""
        line = "─" * 72
        said = f"\n{line}\nMail to {letter['to']} (not sent: REKINDLE_SMTP_URL is not set)\n\n{body}{line}\n"
        print(said, file=self._terminal or sys.stderr, flush=True)


def build_post(settings: Settings) -> Post:
    """What sends letters, as it is set."""
    return SmtpPost(settings.smtp_url.get_secret_value()) if settings.smtp_url else TerminalPost()


def code_letter(address: str, code: str, *, sender: str, minutes: int) -> EmailMessage:
    """The letter with a code."""
    name, mailbox = parseaddr(sender)
    user, _, domain = mailbox.rpartition("@")
    product = name or "Rekindle"
    to_user, _, to_domain = address.rpartition("@")
    letter = EmailMessage()
    letter["Subject"] = f"{code} is your code for {product}"
    letter["From"] = Address(name, user, domain)
    letter["To"] = Address("", to_user, to_domain)
    letter["Date"] = formatdate()
    letter["Message-ID"] = make_msgid(domain=domain or "localhost")
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(TEXT.format(product=product, code=code, minutes=minutes))
    letter.add_alternative(
        HTML.format(product=html.escape(product), code=html.escape(code), minutes=minutes), subtype="html"
    )
    return letter
