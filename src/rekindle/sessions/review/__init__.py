"""What administrators see of sessions, and note about them."""
