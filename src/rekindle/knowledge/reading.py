"""Documents read: HTML, Markdown, plain text and PDF as sections of text under headings, with their links.

What stands in a document is data, never believed: it is bounded here, and quoted wherever it is shown.
"""

import io
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal
from urllib.parse import unquote, urljoin, urlsplit

from rekindle.assistants.text import clean, folded
from rekindle.errors import InvalidRequest

Kind = Literal["html", "markdown", "text", "pdf"]

SUFFIXES: dict[str, Kind] = {
    ".html": "html", ".htm": "html", ".xhtml": "html", ".md": "markdown", ".markdown": "markdown",
    ".txt": "text", ".text": "text", ".rst": "text", ".pdf": "pdf",
}  # fmt: skip
MEDIA_TYPES: dict[str, Kind] = {
    "text/html": "html", "application/xhtml+xml": "html", "text/markdown": "markdown", "text/plain": "text",
    "application/pdf": "pdf",
}  # fmt: skip
VERSION = 2
"""Part of each document's hash: when reading changes, so do all documents."""

MAX_BYTES = 20_000_000
MAX_CHARS = 2_000_000
MAX_LINKS = 2_000
MAX_PAGES = 2_000
_HTML_BYTES = 5_000_000
_NEEDED = {"html": ("trafilatura", "selectolax"), "pdf": ("pypdf",)}

_FRONT = re.compile(r"\A---[ \t]*\n(.{0,4000}?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+)$")
_CLOSING = re.compile(r"(?<![ \t])[ \t]+#+$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_MARKDOWN_LINK = re.compile(
    r"(!?)\[([^\]\n]{0,300})\]\(\s{0,9}<?([^\s()<>\[\]]{1,2000}+(?:\([^\s()<>\[\]]{0,200}+\)[^\s()<>\[\]]{0,200}+)?)>?"
    r"(?:\s{1,9}[\"'][^\"'\n]{0,300}[\"'])?\s{0,9}\)"
)
_BARE_LINK = re.compile(r"(?<![\w(\[<\"'])https?://[^\s<>\"')\]]{1,2000}")
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1")


class Unreadable(InvalidRequest):
    """This document cannot be read."""

    code = "unreadable_document"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a document points to, and the words it is behind: a whole address, or another file's path as documents'
    paths are told.
    """

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """Text under a heading, which names those above it too: `Prices > Groups`. Empty before the first."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Read:
    """A document as text. `url`: the public address it gives itself, if any; `follow`: whether its links may be."""

    kind: Kind
    title: str
    sections: tuple[Section, ...]
    links: tuple[Link, ...] = ()
    url: str | None = None
    keep: bool = True
    follow: bool = True


def read(
    body: bytes,
    kind: Kind,
    name: str,
    base: str | None = None,
    charset: str | None = None,
    path: str | None = None,
) -> Read:
    """The document in `body`, named `name` where it names itself not; `base`: what its links are relative to.

    A file's are relative to the address that it says is its own, or else to its `path`.

    Raises `Unreadable` for what is damaged, too large or locked, and where the library that reads it is not there.
    """
    if len(body) > MAX_BYTES:
        raise Unreadable(f"It is larger than {MAX_BYTES:,} bytes.")
    if missing := [library for library in _NEEDED.get(kind, ()) if find_spec(library) is None]:
        raise Unreadable(
            f"Reading {kind.upper()} needs {' and '.join(missing)}: pip install 'rekindle[knowledge]' brings it."
        )
    try:
        match kind:
            case "html":
                return _read_html(body, name, base, charset, path)
            case "pdf":
                return _read_pdf(body, name)
            case "markdown":
                return read_markdown(_decoded(body, charset), name, base, path)
            case "text":
                return _read_text(_decoded(body, charset), name)
    except Unreadable:
        raise
    except Exception as error:  # libraries fail on damaged documents in dozens of ways; one document is left out
        raise Unreadable(f"It cannot be read as {kind}: {folded(f'{type(error).__name__}: {error}', 200)}") from error


def read_markdown(text: str, name: str, base: str | None = None, path: str | None = None) -> Read:
    """Markdown, whose front matter may give `title` and `url`."""
    facts, text = _front(text)
    url = facts.get("url") if is_web(facts.get("url", "")) else None
    sections = tuple(_sections(text[:MAX_CHARS]))
    first = next((s.heading for s in sections if s.heading), "")
    title = facts.get("title") or first.partition(" > ")[0] or name
    return Read(
        "markdown",
        folded(title, 300),
        tuple(_without(title, section) for section in sections if section.text),
        _unique(_markdown_links(text[:MAX_CHARS], base or url, path)),
        url=url,
    )


def _read_text(text: str, name: str) -> Read:
    text = text[:MAX_CHARS]
    links = _unique(Link(match[0].rstrip(".,;:!?"), "") for match in _BARE_LINK.finditer(text))
    # The first line is the title where it stands alone, as in a letter or an RFC.
    head, _, rest = text.strip().partition("\n")
    alone = 0 < len(head.strip()) <= 100 and (
        not rest or rest.startswith("\n") or set(rest.partition("\n")[0]) <= {"=", "-"}
    )
    title = head if alone and not head.rstrip().endswith((".", ",", ";")) else name
    return Read("text", folded(title, 300), (Section("", text.strip()),) if text.strip() else (), links)


def _read_html(body: bytes, name: str, base: str | None, charset: str | None, path: str | None) -> Read:
    # Libraries of an extra, half a second to load: for processes that read HTML only.
    from selectolax.lexbor import LexborHTMLParser
    from trafilatura import extract

    if len(body) > _HTML_BYTES:
        raise Unreadable(f"A page is larger than {_HTML_BYTES:,} bytes.")
    html: str | bytes = body
    if charset:
        try:
            html = body.decode(charset, "replace")
        except LookupError:
            html = body
    if isinstance(html, bytes):
        html = _decoded_html(html)
    tree = LexborHTMLParser(html)
    if found := tree.css_first("base[href]"):
        base = urljoin(base or "", found.attributes.get("href") or "")
    directives = ""
    for tag in tree.css("meta[name]"):
        if (tag.attributes.get("name") or "").lower() in ("robots", "rekindle"):
            directives += f",{tag.attributes.get('content') or ''}".lower()
    rules = {rule.strip() for rule in directives.split(",")}
    links = _unique(
        Link(url, folded(tag.text(deep=True, separator=" "), 200))
        for tag in tree.css("a[href]")
        if "nofollow" not in (tag.attributes.get("rel") or "").lower().split()
        and (url := _leads_to(tag.attributes.get("href") or "", base, path))
    )
    named = tree.css_first("title")
    title = folded(named.text(), 300) if named is not None else ""
    text = extract(html, output_format="markdown", include_comments=False, include_tables=True, favor_recall=True)
    sections = tuple(_sections(clean(text or "")[:MAX_CHARS]))
    heading = next((s.heading for s in sections if s.heading), "").partition(" > ")[0]
    if not title:
        top = tree.css_first("h1")
        title = (folded(top.text(), 300) if top is not None else "") or heading or name
    stated = tree.css_first("link[rel=canonical]")
    canonical = (stated.attributes.get("href") or "") if stated is not None else ""
    return Read(
        "html",
        title,
        tuple(_without(title, section) for section in sections if section.text),
        links,
        url=_absolute(canonical, base) if canonical else None,
        keep=not rules & {"noindex", "none"},
        follow=not rules & {"nofollow", "none"},
    )


def _read_pdf(body: bytes, name: str) -> Read:
    from pypdf import PdfReader  # a library of an extra

    document = PdfReader(io.BytesIO(body))
    if document.is_encrypted and not document.decrypt(""):
        raise Unreadable("It is locked with a password.")
    sections: list[Section] = []
    links: list[Link] = []
    room = MAX_CHARS
    for number, page in enumerate(document.pages, 1):
        if number > MAX_PAGES or room <= 0:
            break
        text = clean(page.extract_text() or "").strip()[:room]
        room -= len(text)
        if text:
            sections.append(Section(f"Page {number}", _unwrapped(text)))
            links += [Link(match[0].rstrip(".,;:!?"), "") for match in _BARE_LINK.finditer(text)]
    if not sections:
        raise Unreadable("There is no text in it, as in scanned pages.")
    title = folded(str((document.metadata and document.metadata.title) or ""), 300)
    return Read("pdf", title or name, tuple(sections), _unique(iter(links)))


def _unwrapped(text: str) -> str:
    """Lines of a page joined to paragraphs; a word cut at a line's end is whole again."""
    text = re.sub(r"(?<=[a-zäöüß])-\n(?=[a-zäöüß])", "", text)
    return re.sub(r"(?<![.!?:;\n])\n(?=[a-zäöüß(])", " ", text)


def _decoded(body: bytes, charset: str | None) -> str:
    """The text of bytes in their encoding, UTF-8, UTF-16 with its mark, or Windows' Western one."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _lines(body.decode("utf-16", "replace"))
    if b"\0" in body[:8000]:
        raise Unreadable("It is not text.")
    for encoding in (charset, "utf-8-sig"):
        try:
            if encoding:
                return _lines(body.decode(encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    return _lines(body.decode("cp1252", "replace"))


def _decoded_html(body: bytes) -> str:
    stated = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", body[:2048], re.IGNORECASE)
    return _decoded(
        body.replace(b"\0", b"") if body[:2] not in (b"\xff\xfe", b"\xfe\xff") else body,
        stated[1].decode() if stated else None,
    )


def _lines(text: str) -> str:
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def _front(text: str) -> tuple[dict[str, str], str]:
    """The plain `key: value` lines of front matter, and what comes after it."""
    found = _FRONT.match(text)
    if not found:
        return {}, text
    facts = {}
    for line in found[1].split("\n"):
        key, colon, value = line.partition(":")
        if colon and re.fullmatch(r"\w[\w-]{0,40}", key.strip()):
            facts[key.strip().lower()] = value.strip().strip("\"'")
    return facts, text[found.end() :]


def _sections(text: str) -> Iterator[Section]:
    """Markdown taken apart at its headings, those in code left alone."""
    above: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in _without_comments(text).split("\n"):
        if found := _FENCE.match(line):
            if not fence:
                fence = found[1][0] * 3
            elif found[1].startswith(fence):
                fence = ""
        level, heading = 0, ""
        if not fence:
            if found := _HEADING.match(line):
                level, heading = len(found[1]), _CLOSING.sub("", found[2].rstrip(" \t"))
            elif (under := _UNDERLINE.match(line)) and lines and lines[-1].strip() and not _is_block(lines):
                level, heading = (1 if under[1][0] == "=" else 2), lines.pop().strip()
        if not level:
            lines.append(line)
            continue
        yield Section(_path(above), _plain("\n".join(lines)))
        lines = []
        above = [*(each for each in above if each[0] < level), (level, folded(_plain(heading), 150))]
    yield Section(_path(above), _plain("\n".join(lines)))


def _without_comments(text: str) -> str:
    # By hand: an expression would look for the end from each beginning anew.
    *before, rest = text.split("-->")
    kept = []
    for piece in before:
        said, comment, _ = piece.partition("<!--")
        kept.append(said if comment else f"{said}-->")
    return "".join([*kept, rest])


def _is_block(lines: list[str]) -> bool:
    """Whether a line of dashes below these is a rule or a table, as after a list or another line of text."""
    before = lines[-2].strip() if len(lines) > 1 else ""
    return bool(before) or lines[-1].lstrip().startswith(("|", "-", "*", ">", "+"))


def _path(above: list[tuple[int, str]]) -> str:
    return " > ".join(heading for _, heading in above)[:500]


def _plain(text: str) -> str:
    """Markdown without the marks that say nothing to a search: links' targets, emphasis."""
    text = _MARKDOWN_LINK.sub(lambda match: match[2], text)
    return _EMPHASIS.sub(lambda match: match[2], text).strip("\n").rstrip()


def _without(title: str, section: Section) -> Section:
    """A section whose heading's path does not begin with the document's title again."""
    first, _, rest = section.heading.partition(" > ")
    return Section(rest, section.text) if first and first == folded(title, 150) else section


def _markdown_links(text: str, base: str | None, path: str | None) -> Iterator[Link]:
    for match in _MARKDOWN_LINK.finditer(text):
        if not match[1] and (url := _leads_to(match[3], base, path)):
            yield Link(url, folded(match[2], 200))
    for match in _BARE_LINK.finditer(text):
        yield Link(match[0].rstrip(".,;:!?"), "")


def _leads_to(target: str, base: str | None, path: str | None) -> str | None:
    """A whole web address, or where there is none to be relative to, another file's path; None for what is neither."""
    if (url := _absolute(target, base)) or base or not path:
        return url
    try:
        parts = urlsplit(clean(target).strip())
    except ValueError:
        return None
    beside = unquote(parts.path)
    if parts.scheme or parts.netloc or not beside or beside.startswith("/"):
        return None
    file = posixpath.normpath(posixpath.join(posixpath.dirname(path), beside))
    return None if file.startswith("..") or len(file) > 2_000 else clean(file)


def _absolute(target: str, base: str | None) -> str | None:
    """A whole web address without its fragment; None for what is none."""
    try:
        url = urljoin(base or "", clean(target).strip())
    except ValueError:
        return None
    url = url.partition("#")[0]
    return url if is_web(url) else None


def is_web(url: str) -> bool:
    """Whether this is a whole address of the web."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) <= 2_000
    except ValueError:
        return False


def _unique(links: Iterator[Link]) -> tuple[Link, ...]:
    """Each address once, with the first words it is behind."""
    found: dict[str, Link] = {}
    for link in links:
        if len(found) >= MAX_LINKS:
            break
        if link.url not in found or not found[link.url].text:
            found[link.url] = link
    return tuple(found.values())
