"""Removing a person, and nobody else."""
