"""What is run by hand: `make` knows how."""
