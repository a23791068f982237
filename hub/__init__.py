"""The fiscal data exchange hub: signed fiscal events and messages behind one GraphQL API."""

__version__ = "0.1.0"
