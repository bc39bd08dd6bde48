"""The seeds' endpoints, one file a seed."""
