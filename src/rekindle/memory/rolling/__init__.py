"""Summaries of what left the window of sessions that go on."""
