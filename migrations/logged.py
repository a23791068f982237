"""Makes a table of facts part of the log: a trigger notes every inserted row, so that no code path can forget one."""

from __future__ import annotations

from alembic import op


def logged(table: str, *, kind: str, fact_id: str = "id", where: str = "true") -> None:
    """Note each row inserted into ``table`` from now on for the sequencer, in the transaction that inserts it.

    ``kind``, ``fact_id`` and ``where`` are SQL over the new row; the row has a ``tenant_id``. A row's other parts
    are read when its transaction has committed, so their tables need no trigger.
    """
    op.execute(
        f"""
        CREATE FUNCTION log_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO log_pending (kind, tenant_id, fact_id)
            SELECT {kind}, tenant_id, {fact_id} FROM fresh WHERE {where};
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        f'CREATE TRIGGER every_fact_is_logged AFTER INSERT ON "{table}" REFERENCING NEW TABLE AS fresh '
        f"FOR EACH STATEMENT EXECUTE FUNCTION log_{table}()"
    )
    op.execute(
        f"""
        INSERT INTO log_pending (kind, tenant_id, fact_id)
        SELECT {kind}, tenant_id, {fact_id} FROM "{table}" AS fresh WHERE {where} ORDER BY {fact_id}
        """
    )


def no_longer_logged(table: str) -> None:
    """Undo :func:`logged`; what is in the log stays there."""
    op.execute(f'DROP TRIGGER every_fact_is_logged ON "{table}"')
    op.execute(f"DROP FUNCTION log_{table}()")
