"""A person's sessions as files: JSON that imports back, Markdown, CSV and PDF."""
