"""Reference registries: entries, versions, their slices in time, links, policy and proposals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

REGISTRIES = "'LOCATION','DEPARTMENT','LEVEL','ADMIN','COA','PROGRAM','PROJECT'"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_entry_and_version()
    create_link()
    create_slice()
    create_policy_and_proposals()
    create_import()
    grants.facts(
        "reference_entry",
        "reference_version",
        "reference_link",
        "reference_policy",
        "reference_proposal",
        "reference_decision",
        "reference_import",
    )
    grants.state("reference_slice")
    protect_slices()


def create_entry_and_version() -> None:
    op.create_table(
        "reference_entry",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(collation="C"), server_default=sa.text("''"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reference_entry"),
        sa.UniqueConstraint(
            "tenant_id", "registry", "code", "scope", name="uq_reference_entry_tenant_id_registry_code_scope"
        ),
        sa.CheckConstraint(f"registry IN ({REGISTRIES})", name="registry"),
        sa.CheckConstraint("length(code) BETWEEN 1 AND 256 AND position('/' in code) = 0", name="code"),
        sa.CheckConstraint("(registry IN ('LEVEL','ADMIN')) = (scope <> '')", name="scope"),
    )
    op.create_table(
        "reference_version",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("names", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reference_version"),
        sa.UniqueConstraint(
            "tenant_id", "entry_id", "version_no", name="uq_reference_version_tenant_id_entry_id_version_no"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entry_id"],
            ["reference_entry.tenant_id", "reference_entry.id"],
            name="fk_reference_version_tenant_id_entry_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_id"],
            ["reference_entry.tenant_id", "reference_entry.id"],
            name="fk_reference_version_tenant_id_parent_id",
        ),
        sa.CheckConstraint("status IN ('ACTIVE','RETIRED')", name="status"),
        sa.CheckConstraint("version_no >= 1", name="version_no"),
        sa.CheckConstraint("valid_to > valid_from", name="validity"),
        sa.CheckConstraint("parent_id <> entry_id", name="parent"),
    )


def create_link() -> None:
    op.create_table(
        "reference_link",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version_id", "kind", "target_id", name="pk_reference_link"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["reference_version.tenant_id", "reference_version.id"],
            name="fk_reference_link_tenant_id_version_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "target_id"],
            ["reference_entry.tenant_id", "reference_entry.id"],
            name="fk_reference_link_tenant_id_target_id",
        ),
        sa.CheckConstraint("kind IN ('DEPARTMENT','LOCATION','ADMIN','PROGRAM','COA')", name="kind"),
    )
    op.create_index(
        "ix_reference_link_tenant_id_target_id_kind", "reference_link", ["tenant_id", "target_id", "kind"]
    )


def create_slice() -> None:
    op.create_table(
        "reference_slice",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("entry_number", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("path", sa.Text(collation="C"), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("superseded_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reference_slice"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entry_id"],
            ["reference_entry.tenant_id", "reference_entry.id"],
            name="fk_reference_slice_tenant_id_entry_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["reference_version.tenant_id", "reference_version.id"],
            name="fk_reference_slice_tenant_id_version_id",
        ),
        sa.CheckConstraint("valid_to > valid_from", name="validity"),
        sa.CheckConstraint("superseded_at >= recorded_at", name="superseded_at"),
        sa.CheckConstraint(
            "valid_from >= DATE '1900-01-01' AND valid_from < DATE '9999-12-31'", name="years"
        ),
        postgresql.ExcludeConstraint(
            (
                sa.literal_column(
                    "int8range(entry_number * 4194304 + (valid_from - DATE '1900-01-01'), "
                    "entry_number * 4194304 + coalesce(valid_to - DATE '1900-01-01', 4194303))"
                ),
                "&&",
            ),
            where=sa.text("superseded_at IS NULL"),
            using="gist",
            name="ex_reference_slice_days",
        ),
    )
    op.create_index(
        "ix_reference_slice_tenant_id_entry_id_valid_from",
        "reference_slice",
        ["tenant_id", "entry_id", "valid_from"],
    )
    op.create_index(
        "ix_reference_slice_tenant_id_parent_id",
        "reference_slice",
        ["tenant_id", "parent_id"],
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )


def create_policy_and_proposals() -> None:
    op.create_table(
        "reference_policy",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("approval_required", sa.Boolean(), nullable=False),
        sa.Column("hierarchy_depth_max", sa.SmallInteger(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version_no", name="pk_reference_policy"),
        sa.CheckConstraint("hierarchy_depth_max BETWEEN 1 AND 32", name="hierarchy_depth_max"),
    )
    op.create_table(
        "reference_proposal",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("commands", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reference_proposal"),
        sa.CheckConstraint(f"registry IN ({REGISTRIES})", name="registry"),
    )
    op.create_table(
        "reference_decision",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "proposal_id", name="pk_reference_decision"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "proposal_id"],
            ["reference_proposal.tenant_id", "reference_proposal.id"],
            name="fk_reference_decision_tenant_id_proposal_id",
        ),
    )


def create_import() -> None:
    op.create_table(
        "reference_import",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("report", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reference_import"),
        sa.CheckConstraint(f"registry IN ({REGISTRIES})", name="registry"),
    )


def protect_slices() -> None:
    """Of a slice only ``superseded_at`` may change, and only once: what was believed stays readable."""
    op.execute(f"REVOKE UPDATE ON reference_slice FROM {grants.application_role()}")
    op.execute(f"GRANT UPDATE (superseded_at) ON reference_slice TO {grants.application_role()}")
    op.execute(
        """
        CREATE FUNCTION refuse_second_supersession() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a slice is superseded once' USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER superseded_once BEFORE UPDATE ON reference_slice FOR EACH ROW "
        "WHEN (OLD.superseded_at IS NOT NULL) EXECUTE FUNCTION refuse_second_supersession()"
    )


def downgrade() -> None:
    for table in ("import", "decision", "proposal", "policy", "slice", "link", "version", "entry"):
        op.drop_table(f"reference_{table}")
    op.execute("DROP FUNCTION refuse_second_supersession()")
