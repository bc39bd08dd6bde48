"""`rekindle search`."""

from tests.cli.conftest import OpenTerminal, Rekindle


def test_what_a_person_said_is_found_from_the_command_line(rekindle: Rekindle) -> None:
    talked = rekindle("chat", "--email", "ann@example.com", said="My bicycle has a flat tyre.\n/quit\n")
    assert talked.returncode == 0, talked.stderr
    found = rekindle("search", "ann@example.com", "flat tyres")
    assert found.returncode == 0, found.stderr
    assert "My bicycle has a flat tyre." in found.stdout
    assert rekindle("search", "ann@example.com", "volcanoes").stdout == "Nothing is found.\n"
    before = rekindle("search", "ann@example.com", "flat tyres", "--until", "2020-01-01", "--role", "user")
    assert before.stdout == "Nothing is found.\n"
    assert "Say what is looked for." in rekindle("search", "ann@example.com", " ").stderr


def test_what_was_said_does_not_command_the_terminal_that_it_is_found_in(
    rekindle: Rekindle, terminal: OpenTerminal
) -> None:
    talked = rekindle("chat", "--email", "eve@example.com", said="My lock \x1b]0;is mine\x07has rusted.\n/quit\n")
    assert talked.returncode == 0, talked.stderr
    shown = terminal("search", "eve@example.com", "rusted lock").until_it_leaves()
    assert "My lock ]0;is minehas rusted." in shown
    assert "\x1b]" not in shown


def test_the_past_of_nobody_cannot_be_searched(rekindle: Rekindle) -> None:
    failed = rekindle("search", "nobody@example.com", "anything")
    assert failed.returncode == 1
    assert "nobody with the address" in failed.stderr
