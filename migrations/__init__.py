"""Alembic migrations; run by ``fiscal-hub migrate`` as the owner role."""
