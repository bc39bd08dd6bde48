"""Doors for Python: the classes that host programs call, one file a class."""
