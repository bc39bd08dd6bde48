"""What is known of a person: derived, seen, corrected, forgotten, paused."""
