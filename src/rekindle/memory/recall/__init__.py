"""Finding a person's past again: what is kept of each line for search, and the search."""
