"""The registry: governments, agencies, people, one-time codes, systems, API keys and signing keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FACTS = ("registry_event", "idempotency_key")
STATE = ("person", "tenant", "agency", "tenant_operator", "membership", "system", "api_key", "signing_key")
PASSING = ("one_time_code", "code_allowance", "signing_key_challenge", "session")


def upgrade() -> None:
    _code_allowance()
    _idempotency_key()
    _person()
    _tenant()
    _agency()
    _registry_event()
    _tenant_operator()
    _membership()
    _one_time_code()
    _session()
    _system()
    _api_key()
    _signing_key()
    _signing_key_challenge()
    grants.facts(*FACTS)
    grants.state(*STATE)
    grants.state(*PASSING, deletable=True)


def downgrade() -> None:
    for table in (
        "signing_key_challenge",
        "signing_key",
        "api_key",
        "system",
        "session",
        "one_time_code",
        "membership",
        "tenant_operator",
        "registry_event",
        "agency",
        "tenant",
        "person",
        "idempotency_key",
        "code_allowance",
    ):
        op.drop_table(table)


def _code_allowance() -> None:
    op.create_table(
        "code_allowance",
        sa.Column("account_hash", sa.LargeBinary(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_hash", name=op.f("pk_code_allowance")),
    )


def _idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 255", name=op.f("ck_idempotency_key_key")),
        sa.PrimaryKeyConstraint("actor_id", "key", name=op.f("pk_idempotency_key")),
    )


def _person() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index("uq_person_email", "person", [sa.text("lower(email)")], unique=True)


def _tenant() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("fiscal_year_start", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attribute_policy", sa.Text(), nullable=False),
        sa.Column("major_type_policy", sa.Text(), nullable=False),
        sa.Column("settlement_policy", sa.Text(), nullable=False),
        sa.Column("email_domains", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "attribute_policy IN ('OFF', 'WARN', 'ENFORCE')", name=op.f("ck_tenant_attribute_policy")
        ),
        sa.CheckConstraint("code ~ '^[a-z][a-z0-9.-]{1,63}$'", name=op.f("ck_tenant_code")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_tenant_currency")),
        sa.CheckConstraint(
            "fiscal_year_start ~ '^[0-1][0-9]-[0-3][0-9]$'", name=op.f("ck_tenant_fiscal_year_start")
        ),
        sa.CheckConstraint(
            "major_type_policy IN ('WARN', 'ENFORCE')", name=op.f("ck_tenant_major_type_policy")
        ),
        sa.CheckConstraint(
            "settlement_policy IN ('WARN', 'ENFORCE')", name=op.f("ck_tenant_settlement_policy")
        ),
        sa.CheckConstraint("slug ~ '^[a-z][a-z0-9-]{0,61}[a-z0-9]$'", name=op.f("ck_tenant_slug")),
        sa.CheckConstraint("status IN ('ACTIVE', 'SUSPENDED')", name=op.f("ck_tenant_status")),
        sa.ForeignKeyConstraint(["parent_id"], ["tenant.id"], name=op.f("fk_tenant_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("code", name=op.f("uq_tenant_code")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenant_slug")),
    )


def _agency() -> None:
    op.create_table(
        "agency",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("contact_name", sa.Text(), nullable=False),
        sa.Column("contact_phone", sa.LargeBinary(), nullable=False),
        sa.Column("contact_email", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("approvals", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('DRAFT', 'CODE_SENT', 'EMAIL_VERIFIED', 'ACTIVE', 'SUSPENDED', 'CLOSED')",
            name=op.f("ck_agency_state"),
        ),
        sa.ForeignKeyConstraint(["contact_id"], ["person.id"], name=op.f("fk_agency_contact_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_agency_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_agency")),
    )
    op.create_index(op.f("ix_agency_id"), "agency", ["id"], unique=False)
    op.create_index(
        "uq_agency_name",
        "agency",
        ["tenant_id", "name_key"],
        unique=True,
        postgresql_where=sa.text("state <> 'DRAFT'"),
    )


def _registry_event() -> None:
    op.create_table(
        "registry_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "actor IN ('HUB', 'PERSON', 'SYSTEM', 'ANONYMOUS')", name=op.f("ck_registry_event_actor")
        ),
        sa.CheckConstraint(
            "subject IN ('TENANT', 'OPERATOR', 'AGENCY', 'PERSON', 'SYSTEM', 'API_KEY', 'SIGNING_KEY', 'SESSION')",
            name=op.f("ck_registry_event_subject"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_registry_event_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_registry_event")),
    )
    op.create_index(
        op.f("ix_registry_event_tenant_id_subject_id_id"),
        "registry_event",
        ["tenant_id", "subject_id", "id"],
        unique=False,
    )


def _tenant_operator() -> None:
    op.create_table(
        "tenant_operator",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('ACTIVE', 'REMOVED')", name=op.f("ck_tenant_operator_status")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_tenant_operator_person_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_tenant_operator_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "person_id", name=op.f("pk_tenant_operator")),
    )
    op.create_index(op.f("ix_tenant_operator_person_id"), "tenant_operator", ["person_id"], unique=False)


def _membership() -> None:
    op.create_table(
        "membership",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "roles <@ ARRAY['OWNER','DEVELOPER','APPROVER','AUDITOR','READER'] AND cardinality(roles) > 0",
            name=op.f("ck_membership_roles"),
        ),
        sa.CheckConstraint("status IN ('ACTIVE', 'REMOVED')", name=op.f("ck_membership_status")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_membership_person_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agency_id"],
            ["agency.tenant_id", "agency.id"],
            name=op.f("fk_membership_tenant_id_agency_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "agency_id", "person_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_person_id"), "membership", ["person_id"], unique=False)


def _one_time_code() -> None:
    op.create_table(
        "one_time_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("agency_id", sa.Uuid(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_one_time_code_tries")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_one_time_code_person_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agency_id"],
            ["agency.tenant_id", "agency.id"],
            name=op.f("fk_one_time_code_tenant_id_agency_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_code")),
    )
    op.create_index(
        op.f("ix_one_time_code_account_hash_created_at"),
        "one_time_code",
        ["account_hash", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_one_time_code_created_at"), "one_time_code", ["created_at"], unique=False)


def _session() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("agency_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_session_person_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agency_id"],
            ["agency.tenant_id", "agency.id"],
            name=op.f("fk_session_tenant_id_agency_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_session_token_hash")),
    )
    op.create_index(op.f("ix_session_person_id"), "session", ["person_id"], unique=False)


def _system() -> None:
    op.create_table(
        "system",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("unique_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("scope_tenants", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("scope_major_types", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("scope_sub_types", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("environment IN ('LIVE', 'TEST')", name=op.f("ck_system_environment")),
        sa.CheckConstraint(
            "roles <@ ARRAY['PROVIDER','CONSUMER'] AND cardinality(roles) > 0", name=op.f("ck_system_roles")
        ),
        sa.CheckConstraint("status IN ('ACTIVE', 'SUSPENDED', 'CLOSED')", name=op.f("ck_system_status")),
        sa.CheckConstraint(
            "unique_id ~ '^[a-z][a-z0-9-]{1,30}[a-z0-9]@([a-z0-9-]+[.])+[a-z]{2,}$'",
            name=op.f("ck_system_unique_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agency_id"],
            ["agency.tenant_id", "agency.id"],
            name=op.f("fk_system_tenant_id_agency_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_system")),
        sa.UniqueConstraint("unique_id", name=op.f("uq_system_unique_id")),
    )
    op.create_index(op.f("ix_system_id"), "system", ["id"], unique=False)
    op.create_index(
        op.f("ix_system_tenant_id_agency_id_id"), "system", ["tenant_id", "agency_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_system_tenant_id_environment_unique_id"),
        "system",
        ["tenant_id", "environment", "unique_id"],
        unique=False,
    )


def _api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('PENDING', 'ACTIVE', 'REVOKED')", name=op.f("ck_api_key_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_api_key_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_api_key_public_id")),
    )
    op.create_index(op.f("ix_api_key_id"), "api_key", ["id"], unique=False)
    op.create_index(
        op.f("ix_api_key_tenant_id_system_id_id"), "api_key", ["tenant_id", "system_id", "id"], unique=False
    )
    op.create_index(
        "uq_api_key_active",
        "api_key",
        ["system_id"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index(
        "uq_api_key_pending",
        "api_key",
        ["system_id"],
        unique=True,
        postgresql_where=sa.text("state = 'PENDING'"),
    )


def _signing_key() -> None:
    op.create_table(
        "signing_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("compromised_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "compromised_since IS NULL OR state = 'compromised'",
            name=op.f("ck_signing_key_compromised_since"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'active', 'retiring', 'retired', 'compromised')",
            name=op.f("ck_signing_key_state"),
        ),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_signing_key_public_key")),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_signing_key_validity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_signing_key_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_signing_key")),
        sa.UniqueConstraint("public_key", name=op.f("uq_signing_key_public_key")),
    )
    op.create_index(op.f("ix_signing_key_id"), "signing_key", ["id"], unique=False)
    op.create_index(
        op.f("ix_signing_key_tenant_id_system_id_id"),
        "signing_key",
        ["tenant_id", "system_id", "id"],
        unique=False,
    )


def _signing_key_challenge() -> None:
    op.create_table(
        "signing_key_challenge",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_signing_key_challenge_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_signing_key_challenge")),
        sa.UniqueConstraint("nonce", name=op.f("uq_signing_key_challenge_nonce")),
    )
    op.create_index(
        op.f("ix_signing_key_challenge_created_at"), "signing_key_challenge", ["created_at"], unique=False
    )
