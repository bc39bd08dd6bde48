"""E-mail addresses, as they are kept."""

from rekindle.errors import InvalidRequest


def clean_email(text: str) -> str:
    """The address as it is kept: without outer space, in lower case; raises `InvalidRequest`."""
    email = text.strip().lower()
    name, _, host = email.rpartition("@")
    if (
        not name
        or not host
        or "@" in name
        or len(email) > 254
        or any(c.isspace() or not c.isprintable() for c in email)
    ):
        raise InvalidRequest("That is not an e-mail address. It should look like name@example.com.", field="email")
    return email
