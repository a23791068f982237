"""Strict bodies, decoded inputs, and mutations answered from them."""
