"""Rights of the application's role: facts are append-only, state may be updated, nothing may be truncated.

The database holds this twice: by rights of the role (``HUB_DATABASE_URL``), and by a trigger on every
fact table that refuses UPDATE, DELETE and TRUNCATE even to the owner (design.md, idea 2).
"""

from __future__ import annotations

from alembic import context, op


def application_role() -> str:
    """The role of ``HUB_DATABASE_URL``, quoted; migrations run as another one, the owner."""
    role = context.config.attributes.get("application_role", "hub_app")
    return '"' + str(role).replace('"', '""') + '"'


def facts(*tables: str) -> None:
    """Append-only: SELECT and INSERT, and a trigger that refuses every change to what is there."""
    for table in tables:
        op.execute(f'REVOKE ALL ON "{table}" FROM {application_role()}')
        op.execute(f'GRANT SELECT, INSERT ON "{table}" TO {application_role()}')
        op.execute(
            f'CREATE TRIGGER facts_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def state(*tables: str, deletable: bool = False) -> None:
    """What changes over time: SELECT, INSERT, UPDATE, and DELETE only where asked for."""
    rights = "SELECT, INSERT, UPDATE, DELETE" if deletable else "SELECT, INSERT, UPDATE"
    for table in tables:
        op.execute(f'REVOKE ALL ON "{table}" FROM {application_role()}')
        op.execute(f'GRANT {rights} ON "{table}" TO {application_role()}')


def create_refuse_change() -> None:
    """The trigger function behind :func:`facts`."""
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'facts never change: % on % refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
