"""What an assistant may look up: documents, and courses with their prices."""
