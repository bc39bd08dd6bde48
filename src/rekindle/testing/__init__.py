"""For tests, ours and yours: real servers that do as they are told."""

from rekindle.testing.model_server import (
    Asked,
    Hang,
    ModelServer,
    Refusal,
    Reply,
    Step,
    Then,
    ToolCall,
)

__all__ = ["Asked", "Hang", "ModelServer", "Refusal", "Reply", "Step", "Then", "ToolCall"]
