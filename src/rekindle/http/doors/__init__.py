"""The doors' endpoints, one file a door."""
