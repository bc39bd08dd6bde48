"""The house's API, one file a domain."""
