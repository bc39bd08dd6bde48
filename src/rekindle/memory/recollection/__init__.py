"""What of a user's past goes into a turn."""
