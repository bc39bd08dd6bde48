"""What was said, as Markdown that can be opened without asking anybody for anything: pictures become links.

A picture's address is somebody else's: to show it tells them who reads, and when. Code stays as it was said where
every viewer takes it for code, too: between fences at the margin, and in spans of one line.
"""

import re

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|$)")
_FENCE = re.compile(r"(`{3,})[^`]*|(~{3,}).*")
_MARK = re.compile(
    r"\\.|(?P<ticks>`+)|(?P<picture>!\[(?P<unnamed>\])?)|"
    r"(?P<tag><(?!(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.+-]+@[\w.-]+)>)(?=[A-Za-z/!?]))"
)
"""An escape, which stays; a span of code; a picture; a tag, of which an address between angle brackets is none."""


def quiet(text: str) -> str:
    """The text with pictures as links and tags as text; a fence that is left open is closed."""
    made = []
    fence = ""
    sure = True  # of where spans of code begin: nothing before in this paragraph may begin one
    for found in _LINE.finditer(text):
        line = found[1]
        if fence:
            if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", line):
                fence = ""
        elif opened := _FENCE.fullmatch(line):
            fence, sure = opened[1] or opened[2], True
        elif line.strip():
            line, sure = _quiet(line, sure)
        else:
            sure = True
        made += [line, found[2]]
    return "".join(made) + (f"\n{fence}" if fence else "")


def quiet_line(text: str) -> str:
    """The same of what stands on a line of its own, in which nothing is code."""
    return _quiet(text, sure=False)[0]


def _quiet(line: str, sure: bool) -> tuple[str, bool]:
    """The line, and whether what comes after it begins outside of code."""
    made = []
    at = 0
    without_end: set[int] = set()
    while mark := _MARK.search(line, at):
        made.append(line[at : mark.start()])
        at = mark.end()
        if mark["picture"]:
            made.append("[picture]" if mark["unnamed"] else "[")
        elif mark["tag"]:
            made.append("\\<")
        elif mark["ticks"] and sure:
            length = len(mark["ticks"])
            ended = None if length in without_end else re.compile(rf"(?<!`)`{{{length}}}(?!`)").search(line, at)
            if ended is None:
                without_end.add(length)
            end = ended.end() if ended else at
            made.append(line[mark.start() : end])
            at = end
        else:
            made.append(mark[0])
    return "".join(made) + line[at:], sure and not without_end
