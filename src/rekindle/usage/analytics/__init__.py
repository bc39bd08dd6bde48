"""What the use of the house amounts to, for administrators."""
