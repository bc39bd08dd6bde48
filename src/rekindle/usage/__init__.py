"""Tokens counted per user."""
