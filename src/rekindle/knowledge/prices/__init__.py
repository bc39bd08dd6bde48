"""Courses and what they cost."""
