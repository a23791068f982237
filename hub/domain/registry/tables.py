"""The registry's tables: governments, agencies, people, systems, their keys, and the one history of them all."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub.db import metadata


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _one_of(name: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({listed})", name=name)


tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("parent_id", Uuid, ForeignKey("tenant.id")),
    Column("currency", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("fiscal_year_start", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attribute_policy", Text, nullable=False),
    Column("major_type_policy", Text, nullable=False),
    Column("settlement_policy", Text, nullable=False),
    Column("email_domains", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    CheckConstraint("code ~ '^[a-z][a-z0-9.-]{1,63}$'", name="code"),
    CheckConstraint("slug ~ '^[a-z][a-z0-9-]{0,61}[a-z0-9]$'", name="slug"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("fiscal_year_start ~ '^[0-1][0-9]-[0-3][0-9]$'", name="fiscal_year_start"),
    _one_of("status", "ACTIVE", "SUSPENDED"),
    _one_of("attribute_policy", "OFF", "WARN", "ENFORCE"),
    _one_of("major_type_policy", "WARN", "ENFORCE"),
    _one_of("settlement_policy", "WARN", "ENFORCE"),
)

registry_event = Table(
    "registry_event",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("change", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("details", JSONB, nullable=False),
    _instant("at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    _one_of(
        "subject", "TENANT", "OPERATOR", "AGENCY", "PERSON", "SYSTEM", "API_KEY", "SIGNING_KEY", "SESSION"
    ),
    _one_of("actor", "HUB", "PERSON", "SYSTEM", "ANONYMOUS"),
    Index(None, "tenant_id", "subject_id", "id"),
)

person = Table(
    "person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    _instant("created_at"),
    Index("uq_person_email", text("lower(email)"), unique=True),
)

tenant_operator = Table(
    "tenant_operator",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False, index=True),
    Column("status", Text, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    PrimaryKeyConstraint("tenant_id", "person_id"),
    _one_of("status", "ACTIVE", "REMOVED"),
)

agency = Table(
    "agency",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("id", Uuid, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("contact_name", Text, nullable=False),
    Column("contact_phone", LargeBinary, nullable=False),
    Column("contact_email", Text, nullable=False),
    Column("contact_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("approvals", ARRAY(Uuid), nullable=False),
    Column("version", Integer, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    _instant("code_sent_at", nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    _one_of("state", "DRAFT", "CODE_SENT", "EMAIL_VERIFIED", "ACTIVE", "SUSPENDED", "CLOSED"),
    # An unconfirmed draft reserves no name: else anybody could block an agency for ever.
    Index("uq_agency_name", "tenant_id", "name_key", unique=True, postgresql_where=text("state <> 'DRAFT'")),
)

membership = Table(
    "membership",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    PrimaryKeyConstraint("tenant_id", "agency_id", "person_id"),
    ForeignKeyConstraint(["tenant_id", "agency_id"], ["agency.tenant_id", "agency.id"]),
    CheckConstraint(
        "roles <@ ARRAY['OWNER','DEVELOPER','APPROVER','AUDITOR','READER'] AND cardinality(roles) > 0",
        name="roles",
    ),
    _one_of("status", "ACTIVE", "REMOVED"),
)

one_time_code = Table(
    "one_time_code",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_hash", LargeBinary, nullable=False),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    # Nobody, when the address is unknown: such a code is never mailed and matches nothing.
    Column("person_id", Uuid, ForeignKey("person.id")),
    Column("tenant_id", Uuid),
    Column("agency_id", Uuid),
    Column("tries", Integer, nullable=False),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("used_at", nullable=True),
    ForeignKeyConstraint(["tenant_id", "agency_id"], ["agency.tenant_id", "agency.id"]),
    CheckConstraint("tries BETWEEN 0 AND 5", name="tries"),
    Index(None, "account_hash", "created_at"),
    Index(None, "created_at"),
)

code_allowance = Table(
    "code_allowance",
    metadata,
    Column("account_hash", LargeBinary, primary_key=True),
    _instant("last_at"),
)

session = Table(
    "session",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False, index=True),
    Column("tenant_id", Uuid),
    Column("agency_id", Uuid),
    Column("network", Text, nullable=False),
    Column("agent", Text, nullable=False),
    _instant("created_at"),
    _instant("last_used_at"),
    _instant("expires_at"),
    _instant("revoked_at", nullable=True),
    _instant("factor_at", nullable=True),
    ForeignKeyConstraint(["tenant_id", "agency_id"], ["agency.tenant_id", "agency.id"]),
)

second_factor = Table(
    "second_factor",
    metadata,
    Column("person_id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    _instant("begun_at"),
    _instant("enrolled_at", nullable=True),
    Column("last_step", BigInteger),
    _instant("last_used_at", nullable=True),
    Column("failures", Integer, nullable=False),
    _instant("locked_until", nullable=True),
    CheckConstraint("enrolled_at IS NULL OR last_step IS NOT NULL", name="enrolled"),
    CheckConstraint("failures >= 0", name="failures"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("person_id", Uuid, ForeignKey("second_factor.person_id"), nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    _instant("used_at", nullable=True),
    PrimaryKeyConstraint("person_id", "code_hash"),
)

system = Table(
    "system",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, index=True),
    Column("agency_id", Uuid, nullable=False),
    Column("unique_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("environment", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("scope_tenants", ARRAY(Text)),
    Column("scope_major_types", ARRAY(Text)),
    Column("scope_sub_types", ARRAY(Text)),
    Column("version", Integer, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "agency_id"], ["agency.tenant_id", "agency.id"]),
    CheckConstraint("roles <@ ARRAY['PROVIDER','CONSUMER'] AND cardinality(roles) > 0", name="roles"),
    CheckConstraint(
        "unique_id ~ '^[a-z][a-z0-9-]{1,30}[a-z0-9]@([a-z0-9-]+[.])+[a-z]{2,}$'",
        name="unique_id",
    ),
    _one_of("environment", "LIVE", "TEST"),
    _one_of("status", "ACTIVE", "SUSPENDED", "CLOSED"),
    Index(None, "tenant_id", "agency_id", "id"),
    Index(None, "tenant_id", "environment", "unique_id"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, index=True),
    Column("system_id", Uuid, nullable=False),
    Column("public_id", Text, nullable=False, unique=True),
    Column("key_hash", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("activated_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _instant("last_used_at", nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    _one_of("state", "PENDING", "ACTIVE", "REVOKED"),
    Index("uq_api_key_active", "system_id", unique=True, postgresql_where=text("state = 'ACTIVE'")),
    Index("uq_api_key_pending", "system_id", unique=True, postgresql_where=text("state = 'PENDING'")),
    Index(None, "tenant_id", "system_id", "id"),
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, index=True),
    Column("system_id", Uuid, nullable=False),
    Column("public_key", LargeBinary, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    _instant("valid_from"),
    _instant("valid_to", nullable=True),
    _instant("compromised_since", nullable=True),
    Column("version", Integer, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    _one_of("state", "pending", "active", "retiring", "retired", "compromised"),
    CheckConstraint("octet_length(public_key) = 32", name="public_key"),
    CheckConstraint("valid_to > valid_from", name="validity"),
    CheckConstraint("compromised_since IS NULL OR state = 'compromised'", name="compromised_since"),
    Index(None, "tenant_id", "system_id", "id"),
)

signing_key_challenge = Table(
    "signing_key_challenge",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("system_id", Uuid, nullable=False),
    Column("key_id", Uuid, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("nonce", Text, nullable=False, unique=True),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("used_at", nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    Index(None, "created_at"),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("actor_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("result_id", Uuid, nullable=False),
    _instant("created_at"),
    PrimaryKeyConstraint("actor_id", "key"),
    CheckConstraint("char_length(key) BETWEEN 1 AND 255", name="key"),
)
