"""`rekindle serve`, where it does not come to serving."""

from pathlib import Path

from tests.cli.conftest import Rekindle


def test_assistants_that_cannot_be_served_are_named_in_a_sentence(rekindle: Rekindle, tmp_path: Path) -> None:
    for folder, toml in (("one", 'name = "desk"'), ("two", 'name = "desk"'), ("flyer", 'abilities = ["fly"]')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "assistant.toml").write_text(toml)
    twice = rekindle("serve", "one", "two")
    assert twice.returncode == 1
    assert "Two assistants have the same name" in twice.stderr
    unknown = rekindle("serve", "flyer")
    assert unknown.returncode == 1
    assert "there is no ability `fly`" in " ".join(unknown.stderr.split())
    missing = rekindle("serve", "nowhere")
    assert missing.returncode == 1
    assert "An assistant is a folder with a file assistant.toml" in " ".join(missing.stderr.split())
