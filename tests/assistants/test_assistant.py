"""Assistants defined in folders."""

from pathlib import Path

import pytest

from rekindle.assistants.assistant import INSTRUCTIONS, Assistant
from rekindle.assistants.crew import Crew, UnknownAssistant
from rekindle.assistants.folder import load_assistant, load_assistants
from rekindle.errors import ConfigurationError

TOOLS = '''
from dataclasses import dataclass

__all__ = ["greet"]


@dataclass
class Greeting:
    text: str


def greet(name: str) -> Greeting:
    """Greet somebody."""
    return Greeting(f"Hello, {name}.")


def hidden() -> None:
    pass
'''


SHOWN = """
title = "The desk"
description = "It helps."
greeting = "Hello."
suggestions = ["What is open?", "Where?"]
door = ["000", "002"]
abilities = ["course_price", "course_price"]

[[mcp]]
command = "npx -y 'a server'"
env = ["KEY"]

[[mcp]]
url = "https://maps.example.com"
token = "T"
tools = ["way"]
"""


def define(folder: Path, toml: str, tools: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "assistant.toml").write_text(toml, encoding="utf-8")
    if tools is not None:
        (folder / "tools.py").write_text(tools, encoding="utf-8")
    return folder


def test_an_assistant_has_a_name_instructions_a_model_and_tools(tmp_path: Path) -> None:
    toml = 'name = "Guard"\ninstructions = """\nBe kind.\n"""\nmodel = "openai:gpt-4o-mini"\n'
    assistant = load_assistant(define(tmp_path, toml, TOOLS))
    assert (assistant.name, assistant.instructions, assistant.model) == (
        "Guard",
        "Be kind.",
        "openai:gpt-4o-mini",
    )
    (greet,) = assistant.tools
    assert greet("Ada").text == "Hello, Ada."


def test_all_of_it_has_a_default(tmp_path: Path) -> None:
    assistant = load_assistant(define(tmp_path / "lifeguard", ""))
    assert assistant == Assistant(name="lifeguard", instructions=INSTRUCTIONS, folder=tmp_path / "lifeguard")
    assert assistant.abilities == ("recall_past", "search_knowledge", "course_price")


def test_how_it_is_shown_and_what_it_may_reach_is_defined_too(tmp_path: Path) -> None:
    assistant = load_assistant(define(tmp_path / "desk", SHOWN))
    assert (assistant.title, assistant.description, assistant.greeting) == ("The desk", "It helps.", "Hello.")
    assert assistant.suggestions == ("What is open?", "Where?")
    assert assistant.doors == ("000", "002")
    assert assistant.abilities == ("course_price",)
    calendar, maps = assistant.mcp
    assert (calendar.name, calendar.command, calendar.variables) == ("npx", ("npx", "-y", "a server"), ("KEY",))
    assert calendar.folder == tmp_path / "desk"
    assert (maps.name, maps.url, maps.token, maps.tools) == (
        "maps.example.com",
        "https://maps.example.com",
        "T",
        ("way",),
    )
    assert not assistant.knows
    (tmp_path / "desk" / "knowledge").mkdir()
    assert assistant.knows


def test_a_folder_of_assistants_stands_for_all_of_them(tmp_path: Path) -> None:
    define(tmp_path / "b", "")
    define(tmp_path / "a", "")
    (tmp_path / "none").mkdir()
    one = define(tmp_path.parent / f"{tmp_path.name} alone", "")
    assert [assistant.name for assistant in load_assistants([one, tmp_path, tmp_path / "a"])] == [one.name, "a", "b"]
    with pytest.raises(ConfigurationError, match="An assistant is a folder with a file"):
        load_assistants([tmp_path / "none"])


def test_who_answers_where() -> None:
    desk, tutor = Assistant("desk", doors=("000",)), Assistant("tutor", doors=("003", "004"))
    crew = Crew((desk, tutor))
    assert [crew.at("000"), crew.at("001"), crew.at("004")] == [desk, desk, tutor]
    assert (crew.first, crew.get("tutor"), crew.of_session("gone")) == (desk, tutor, desk)
    assert [assistant.name for assistant in Crew()] == ["assistant"]
    with pytest.raises(UnknownAssistant, match="there are: desk, tutor"):
        crew.get("nobody")
    with pytest.raises(ConfigurationError, match="the same name"):
        Crew((desk, desk))
    with pytest.raises(ConfigurationError, match="'desk' and 'other' are both at door 000"):
        Crew((desk, Assistant("other", doors=("000",))))


def test_the_list_in_the_definition_goes_before_that_in_the_code(tmp_path: Path) -> None:
    assistant = load_assistant(define(tmp_path, 'tools = ["hidden"]', TOOLS))
    assert [tool.__name__ for tool in assistant.tools] == ["hidden"]
    assert load_assistant(define(tmp_path, "tools = []", TOOLS)).tools == ()


def test_two_assistants_tools_do_not_meet(tmp_path: Path) -> None:
    one = load_assistant(define(tmp_path / "one", "", TOOLS))
    two = load_assistant(define(tmp_path / "two", "", TOOLS.replace("Hello", "Hullo")))
    assert (one.tools[0]("Ada").text, two.tools[0]("Ada").text) == ("Hello, Ada.", "Hullo, Ada.")


@pytest.mark.parametrize(
    ("toml", "tools", "what"),
    [
        ("name = ", None, "is not TOML"),
        ("name = 3", None, "`name` must be a text"),
        ('instructions = " "', None, "`instructions` must be a text"),
        ('colour = "blue"', None, r"holds `colour`.*It can hold `abilities`, `description`.*`tools`"),
        ('tools = ["greet"]', None, "there is no .*tools.py"),
        ('tools = "greet"', TOOLS, "must be a list of names"),
        ('tools = ["leave"]', TOOLS, "no function named 'leave'"),
        ('tools = ["Greeting"]', TOOLS, "no function named 'Greeting'"),
        ('abilities = ["fly"]', None, r"no ability `fly`. There are `recall_past`, `search_knowledge`, `course_price`"),
        ('abilities = "fly"', None, "`abilities` must be a list"),
        ('door = "005"', None, "`door` must be one of `000`"),
        ('suggestions = [""]', None, "`suggestions` must be a list of texts"),
        ('mcp = "x"', None, r"is a table `\[\[mcp\]\]`"),
        ("[[mcp]]", None, "either a `command` or a `url`"),
        ('[[mcp]]\nurl = "file:///etc"', None, "begins with http"),
        ("[[mcp]]\ncommand = []", None, "is empty"),
        ('[[mcp]]\ncommand = "serve \'it"', None, "`command` .* cannot be read: No closing quotation"),
        ('[[mcp]]\nurl = "http://[::1"', None, "`url` .* cannot be read"),
        ('[[mcp]]\nurl = "http://a"\nheaders = {}', None, "holds `headers`"),
        ('[[mcp]]\nurl = "http://a"\n[[mcp]]\nurl = "http://a"', None, "have the same `name`"),
        ("", "def greet() -> None: ...", "does not say which"),
        ("", "1 / 0", "tools.py fails: ZeroDivisionError: division by zero"),
        ("", "def greet(:", "tools.py fails: SyntaxError"),
        ("", "def größe() -> None: ...\n__all__ = ['größe']", "cannot be a tool's name"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, toml: str, tools: str | None, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        load_assistant(define(tmp_path, toml, tools))


def test_a_folder_without_a_definition_is_no_assistant(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="An assistant is a folder with a file"):
        load_assistant(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_assistant(tmp_path / "missing")
