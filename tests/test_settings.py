"""Settings as the environment and `.env` say them."""

from pathlib import Path

import pytest

from rekindle.settings import Settings

VARIABLES = [str(field.validation_alias or f"REKINDLE_{name.upper()}") for name, field in Settings.model_fields.items()]


@pytest.mark.parametrize("where", ["environment", "file"])
def test_what_is_blank_is_not_set(where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        if where == "environment":
            monkeypatch.setenv(variable, "")
        else:
            monkeypatch.delenv(variable, raising=False)
    if where == "file":
        Path(".env").write_text("".join(f"{variable}=\n" for variable in VARIABLES))
    settings = Settings()
    assert settings.model_fields_set == set()
    assert (settings.model_name, settings.identity_rule, settings.window) == ("offline", "claimed", 20)


def test_a_blank_variable_takes_back_what_the_file_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("REKINDLE_MODEL=openai:gpt-4o\nREKINDLE_WINDOW=40\n")
    monkeypatch.setenv("REKINDLE_MODEL", "")
    settings = Settings()
    assert (settings.model, settings.window) == (None, 40)
