"""Domain-free values."""
