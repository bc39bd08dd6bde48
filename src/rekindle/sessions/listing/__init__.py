"""The list of a user's sessions, and whether it is still the same."""
