"""Assistants defined in folders."""

from pathlib import Path

import pytest

from rekindle.assistants.assistant import INSTRUCTIONS, Assistant
from rekindle.assistants.folder import load_assistant
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
    assert assistant == Assistant(name="lifeguard", instructions=INSTRUCTIONS)


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
        ('colour = "blue"', None, r"holds `colour`.*It can hold `abilities`, `instructions`, `model`, `name`, `tools`"),
        ('tools = ["greet"]', None, "there is no .*tools.py"),
        ('tools = "greet"', TOOLS, "must be a list of names"),
        ('tools = ["leave"]', TOOLS, "no function named 'leave'"),
        ('tools = ["Greeting"]', TOOLS, "no function named 'Greeting'"),
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
