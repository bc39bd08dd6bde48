"""What was said, as Markdown that can be opened without asking anybody for anything: pictures become links.

A picture's address is somebody else's: to show it tells them who reads, and when. Code stays as it was said where
every viewer takes it for code, too: between fences at the margin, and in spans of one line.
"""

import re

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|$)")
_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<mark>`{3,}(?=[^`]*$)|~{3,}).*")
_NEVER = re.compile(r"(?!)")
_MARK = re.compile(
    r"\\.|(?P<ticks>`+)|(?P<picture>!\[(?P<unnamed>\])?)|"
    r"(?P<tag><(?!(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.+-]+@[\w.-]+)>)(?=[A-Za-z/!?]))|"
    r"(?P<hiding>\]\(|://|(?i:www\.)|\||<(?=\S))"
)
"""An escape, which stays; a span of code; a picture; a tag, of which an address between angle brackets is none; and
what makes a backtick part of an address, or of another cell of a table."""


def quiet(text: str) -> str:
    """The text with pictures as links and tags as text; a fence that is left open is closed."""
    made = []
    fence = ""
    inner: tuple[int, re.Pattern[str]] | None = None  # a fence within a list, or nearly: how deep, and what ends it
    sure = True  # of where spans of code begin: nothing before in this paragraph may begin one
    for found in _LINE.finditer(text):
        line = found[1]
        opened = _FENCE.fullmatch(line)
        if fence:
            if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", line):
                fence = ""
        elif opened and not opened["indent"] and inner is None:
            fence, sure = opened["mark"], True
        elif line.strip(" \t"):
            inner = _within(line, opened, inner)
            line, sure = _quiet(line, sure)
        else:
            sure = True
        made += [line, found[2]]
    return "".join(made) + (f"\n{fence}" if fence else "")


def _within(
    line: str, opened: re.Match[str] | None, inner: tuple[int, re.Pattern[str]] | None
) -> tuple[int, re.Pattern[str]] | None:
    """The fence that may be open after this line, not at the margin. Viewers may take it to end with its list or not:
    if it does not end as it began, no fence after it is sure to begin where it seems to."""
    if inner is None:
        if opened is None:
            return None
        indent, mark = opened["indent"], opened["mark"]
        return len(indent), re.compile(rf"{indent}{mark[0]}{{{len(mark)},}}[ \t]*")
    depth, end = inner
    if end.fullmatch(line):
        return None
    return (0, _NEVER) if opened or len(line) - len(line.lstrip(" \t")) < depth else inner


def quiet_line(text: str) -> str:
    """The same of what stands on a line of its own, in which nothing is code."""
    return _quiet(text, sure=False)[0]


def _quiet(line: str, sure: bool) -> tuple[str, bool]:
    """The line, and whether what comes after it begins outside of code."""
    made = []
    at = 0
    without_end: set[int] = set()
    linked = False
    while mark := _MARK.search(line, at):
        made.append(line[at : mark.start()])
        at = mark.end()
        if mark["picture"]:
            made.append("[picture]" if mark["unnamed"] else "[")
        elif mark["tag"]:
            # What touches an address may be taken to be of it, and a backslash there escapes nothing.
            touching = linked and not line[mark.start() - 1].isspace()
            made.append("&lt;" if touching else "\\<")
        elif mark["ticks"] and sure:
            length = len(mark["ticks"])
            ended = None if length in without_end else re.compile(rf"(?<!`)`{{{length}}}(?!`)").search(line, at)
            if ended is None:
                without_end.add(length)
            if ended and "|" not in line[at : ended.end()]:
                at = ended.end()
            else:
                sure = sure and ended is None
            made.append(line[mark.start() : at])
        else:
            linked = linked or mark["hiding"] is not None
            sure = sure and not linked
            made.append("\\&lt;" if linked and mark[0] == "\\<" else mark[0])
    return "".join(made) + line[at:], sure and not without_end
