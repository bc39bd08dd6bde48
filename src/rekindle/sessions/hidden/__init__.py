"""Sessions that their users deleted, for as long as that can be undone."""
