"""Where documents come from, and what became of each run over it."""
