"""Text from models and tools: made storable, put on one line, measured."""

import math
import re
from datetime import date
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_WIDE = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U0001f000-\U0001faff"
    "\U00020000-\U0003ffff]"
)
"""Chinese, Japanese and Korean characters, and emoji: about a token each."""

_PICTURE = "[shares a picture: "

_DEEPEST = 20
"""Levels of nesting kept of a tool's arguments."""


def clean(text: str) -> str:
    """`text` as PostgreSQL can store it and UTF-8 can carry it: without NUL, lone surrogates as U+FFFD.

    A surrogate pair that arrived as two halves in one text becomes the character it stands for.
    """
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "")


def folded(text: str, longest: int) -> str:
    """`text` on one line: white space folded to blanks, no control characters, at most `longest` long."""
    # str.split() knows every line end there is: U+2028, U+0085, form feeds.
    line = _CONTROL.sub("", " ".join(clean(text).split()))
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def with_picture(text: str, caption: str | None) -> str:
    """What somebody said with a picture that they shared, as it is kept and searched."""
    return f"{text} {_PICTURE}{folded(caption, 2_000)}]".strip() if caption else text


def without_picture(text: str) -> str:
    """What they said themselves: the words of `with_picture` are whoever described the picture's."""
    said, picture, caption = text.rpartition(_PICTURE)
    return said.rstrip() if picture and caption.endswith("]") else text


def day_of(when: date) -> str:
    """A day as people write it: `8 May 2023`."""
    return f"{when.day} {when:%B %Y}"


def tokens(text: str) -> int:
    """About how many tokens `text` is: one for each CJK character, one for four of all others."""
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return wide + math.ceil((len(text) - wide) / 4)


def plain(value: Any, longest: int = 2_000, depth: int = 0) -> Any:
    """`value` as JSON that can be stored: texts clean and at most `longest` long, no NaN, nesting bounded."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict) and depth < _DEEPEST:
        return {plain(str(key), 200): plain(item, longest, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [plain(item, longest, depth + 1) for item in value]
    text = clean(value) if isinstance(value, str) else "…"
    return text if len(text) <= longest else text[: longest - 1] + "…"
