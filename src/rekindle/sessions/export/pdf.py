"""Conversations as PDF, set by typst: what was said goes in as data, never as markup."""

import json
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rekindle.errors import Unavailable
from rekindle.sessions.export.formats import moment, note, speaker, title_of

Row = dict[str, Any]

CHINESE = "noto_cjk_sans_otc"
"""A package that holds a font for Chinese, Japanese and Korean; it comes with the extra."""

TEMPLATE = """
#let data = json(bytes(sys.inputs.data))
#set document(title: data.title)
#set page(paper: "a4", margin: 22mm, numbering: "1")
#let fonts = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans Thai", "Noto Sans Devanagari", "Noto Emoji")
#set text(font: fonts, size: 9.5pt)
#set par(leading: 0.7em, spacing: 0.9em)
#show heading: set block(above: 1.6em, below: 0.8em)
#let grey(it) = text(fill: luma(110), size: 8pt, it)
#text(size: 17pt, data.title)
#for session in data.sessions [
  #heading(level: 1, session.title)
  #grey(session.about)
  #if session.summary != "" { block(inset: (left: 8pt), stroke: (left: 1.5pt + luma(200)), session.summary) }
  #for message in session.messages [
    #block(above: 1.2em, below: 0.4em, sticky: true, [*#message.who* #h(0.6em) #grey(message.about)])
    #for part in message.parts { par(part) }
  ]
]
"""


def write_pdf(title: str, sessions: list[tuple[Row, list[Row]]]) -> bytes:
    """The sessions with their messages; raises `Unavailable` when the extra is not installed.

    Fonts for Latin, Greek, Cyrillic, Arabic, Hebrew, Thai, Devanagari and emoji are shipped, those for Chinese,
    Japanese and Korean come with the extra; other scripts take the machine's fonts.
    """
    try:
        import typst  # an extra: most servers never make a PDF
    except ImportError as error:
        raise Unavailable("PDF needs an extra that is not installed: pip install 'rekindle[pdf]'.") from error
    data = {"title": title, "sessions": [_session(*session) for session in sessions]}
    with as_file(files("rekindle.sessions.export") / "fonts") as fonts:
        made = typst.compile(
            TEMPLATE.encode(),
            format="pdf",
            sys_inputs={"data": json.dumps(data)},
            font_paths=typst.Fonts(include_system_fonts=True, font_paths=[fonts, *_chinese()]),
        )
    assert isinstance(made, bytes)
    return made


def _session(session: Row, messages: list[Row]) -> Row:
    summary = session.get("summary") or {}
    return {
        "title": title_of(session),
        "about": f"{moment(session['started_at'])} · {session['assistant']}",
        "summary": summary.get("summary", ""),
        "messages": [
            {
                "who": speaker(message),
                "about": moment(message["created_at"]) + note(message),
                "parts": [line for line in message["content"].splitlines() if line.strip()],
            }
            for message in messages
        ],
    }


def _chinese() -> list[Path]:
    found = find_spec(CHINESE)
    return [Path(place) for place in (found.submodule_search_locations or ())] if found else []
