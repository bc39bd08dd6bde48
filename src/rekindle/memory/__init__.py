"""What is kept of the past: summaries, embeddings, recall."""
