"""Chat sessions that pick up where they left off."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rekindle.doors.conversation_service import ConversationService, PersonalAssistant
    from rekindle.doors.session_manager import SessionManager

__all__ = ["ConversationService", "PersonalAssistant", "SessionManager"]

_HOMES = {
    "ConversationService": "rekindle.doors.conversation_service",
    "PersonalAssistant": "rekindle.doors.conversation_service",
    "SessionManager": "rekindle.doors.session_manager",
}


def __getattr__(name: str) -> Any:
    # Loaded when they are asked for: importing the package alone stays quick.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
