"""What only some doors ask of sessions."""
