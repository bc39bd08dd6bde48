"""Documents cut into passages: what is embedded, found and quoted."""

from collections.abc import Iterator
from dataclasses import dataclass

from rekindle.knowledge.reading import Read
from rekindle.memory.words import sentences, terms

LONGEST = 1_100
"""Characters of a passage: with its title and heading about what the built-in embedder sees of a text."""
_MOST = 5_000
"""Passages of one document."""
LONGEST_WORD = 100
"""Characters of a word that is found: PostgreSQL takes 2,046 bytes, and nobody looks for so long a one."""
_MOST_PLACES = 200
"""PostgreSQL keeps 255 places of a word."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document under one heading. `words`: its stems and their places, as a `tsvector` is written."""

    heading: str
    content: str
    words: str
    word_count: int


def told(title: str, heading: str, content: str) -> str:
    """What is embedded of a passage: the text, under what it is about."""
    return "\n".join(part for part in (title, heading, content) if part)


def cut(read: Read) -> list[Passage]:
    """The passages of a document, in order."""
    found: list[Passage] = []
    title = terms(read.title)
    for section in read.sections:
        heading = terms(section.heading)
        for content in _pieces(section.text):
            body = terms(content)
            found.append(Passage(section.heading, content, _vector(title, heading, body), len(body)))
            if len(found) >= _MOST:
                return found
    return found


def _pieces(text: str) -> Iterator[str]:
    """Whole paragraphs together as long as they fit; those that do not, by sentences."""
    held = ""
    for block in _blocks(text):
        if held and len(held) + len(block) + 2 > LONGEST:
            yield held
            held = ""
        held = f"{held}\n\n{block}" if held else block
    if held:
        yield held


def _blocks(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        paragraph = paragraph.strip("\n").rstrip()
        if not any(character.isalnum() for character in paragraph):
            continue
        if len(paragraph) <= LONGEST:
            yield paragraph
            continue
        lines = paragraph.split("\n")
        parts = lines if max(map(len, lines)) <= LONGEST else sentences(paragraph)
        joint = "\n" if parts is lines else " "
        held = ""
        for part in parts:
            if held and len(held) + len(part) + 1 > LONGEST:
                yield held
                held = ""
            held = f"{held}{joint}{part}" if held else part
        if held:
            yield held


def _vector(title: list[str], heading: list[str], body: list[str]) -> str:
    places: dict[str, list[str]] = {}
    at = 0
    for weight, words in (("A", title), ("B", heading), ("", body)):
        for word in words:
            at = min(at + 1, 16_383)
            if len(word) <= LONGEST_WORD and len(own := places.setdefault(word, [])) < _MOST_PLACES:
                own.append(f"{at}{weight}")
    return " ".join(f"{lexeme(word)}:{','.join(own)}" for word, own in places.items())


def lexeme(word: str) -> str:
    """A word as PostgreSQL writes it in a `tsvector` and a `tsquery`."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
