"""An answer on the screen: wrapped at words as it comes, harmless, and as it is where nobody looks."""

import io
import re

import pytest
from rich.console import Console

from rekindle.cli.prose import Prose
from rekindle.cli.screen import counted, print_table


class Screen:
    def __init__(self, *, width: int = 24, live: bool = True) -> None:
        self.file = io.StringIO()
        self.console = Console(file=self.file, force_terminal=live, width=width, soft_wrap=True, highlight=False)
        self.prose = Prose(self.console)

    def write(self, *pieces: str) -> str:
        for piece in pieces:
            self.prose.write(piece)
        self.prose.end_line()
        return self.file.getvalue()


def test_words_are_never_broken_however_they_come() -> None:
    text = "The quick brown fox jumps over the lazy dog, again and again."
    at_once = Screen().write(text)
    assert at_once == "  The quick brown fox\n  jumps over the lazy\n  dog, again and\n  again.\n"
    assert Screen().write(*text) == at_once
    assert Screen().write(*re.findall(".{1,3}", text)) == at_once


def test_a_mark_in_the_margin_stands_before_the_first_line_alone() -> None:
    screen = Screen()
    screen.prose = Prose(screen.console, mark="› ")
    assert screen.write("Where did I say that I keep my bees?") == "› Where did I say that\n  I keep my bees?\n"


def test_paragraphs_and_indents_stay() -> None:
    assert Screen().write("\n\nOne\n\nTwo:\n    x = 1\n", "- a\n") == "  One\n\n  Two:\n      x = 1\n  - a\n"


def test_scripts_without_blanks_are_shown_at_once_and_broken_anywhere() -> None:
    screen = Screen()
    screen.prose.write("日本語の文章は")
    assert screen.file.getvalue() == "  日本語の文章は"
    assert screen.write("空白なしで書かれる") == "  日本語の文章は空白な\n  しで書かれる\n"


def test_a_word_longer_than_the_line_is_left_whole() -> None:
    link = "https://example.com/" + "long/" * 8
    assert Screen().write(f"See {link} there") == f"  See\n  {link}\n  there\n"


def test_a_status_stands_where_the_text_goes_on_and_is_gone_when_it_does() -> None:
    screen = Screen()
    screen.prose.status("Recalling 3 past sessions of yours")
    assert "Recalling 3 past se…" in screen.file.getvalue()
    assert "of yours" not in screen.file.getvalue(), "it takes one line"
    assert screen.write("Hello.").endswith("\r\x1b[2K  Hello.\n")


def test_a_reply_cannot_command_the_terminal() -> None:
    for live in (True, False):
        said = Screen(live=live, width=80).write("Look: \x1b]0;owned\x07\x1b[2Jgone\r\x9b1m!")
        assert said.strip() == "Look: ]0;owned[2Jgone1m!"


def test_where_nobody_looks_the_answer_is_as_it_is() -> None:
    screen = Screen(live=False)
    screen.prose.status("Using search…")
    said = screen.write("The quick brown fox jumps over ", "the lazy dog.\n\nAgain.")
    assert said == "(Using search…)\nThe quick brown fox jumps over the lazy dog.\n\nAgain.\n"


@pytest.mark.parametrize("live", [True, False])
def test_a_table_shows_whole_addresses(live: bool) -> None:
    screen = Screen(live=live, width=60)
    print_table(screen.console, ("E-mail", "New #"), [("a.very.long.address@example.invalid", "7"), ("b@c", "1,000")])
    lines = [line.split() for line in screen.file.getvalue().splitlines() if "@" in line]
    assert lines == [["a.very.long.address@example.invalid", "7"], ["b@c", "1,000"]]


def test_one_thing_is_not_many() -> None:
    assert [counted(n, "summary", "summaries") for n in (0, 1, 2000)] == ["0 summaries", "1 summary", "2,000 summaries"]
    assert counted(2, "text") == "2 texts"
