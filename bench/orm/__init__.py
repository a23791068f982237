"""A plain GraphQL server as one would write it first: Strawberry types over SQLAlchemy ORM objects."""
