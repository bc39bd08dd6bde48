"""The built-in embedder's weights, where they are."""

from pathlib import Path

import pytest

from rekindle.memory import minilm
from rekindle.settings import Settings


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder of the real weights; what needs them is skipped where they could not be had."""
    folder = Settings(_env_file=None).embedder_folder  # type: ignore[call-arg]
    if not (minilm.is_installed() and minilm.has_weights(folder)):
        pytest.skip("the embedder's weights are not here: `.venv/bin/rekindle embedder` gets them")
    return folder
