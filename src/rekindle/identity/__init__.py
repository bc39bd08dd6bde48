"""Who is talking: users, check-in, tokens."""
