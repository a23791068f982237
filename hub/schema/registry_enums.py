"""The registry's enumerations, as the API names them; known before any shape or input that uses them."""

from __future__ import annotations

import strawberry

from hub.domain.registry.callers import Environment, PersonRole, SystemRole
from hub.domain.registry.identity import CallerKind
from hub.domain.registry.model import AgencyState, ApiKeyState, Policy, SystemStatus, TenantStatus
from hub.signing import KeyState

__all__ = [
    "AgencyState",
    "ApiKeyState",
    "CallerKind",
    "Environment",
    "KeyState",
    "PersonRole",
    "Policy",
    "SystemRole",
    "SystemStatus",
    "TenantStatus",
]

strawberry.enum(SystemRole)
strawberry.enum(Environment)
strawberry.enum(PersonRole)
strawberry.enum(Policy, description="How strictly a rule is applied.")
strawberry.enum(TenantStatus)
strawberry.enum(AgencyState)
strawberry.enum(SystemStatus)
strawberry.enum(ApiKeyState)
strawberry.enum(KeyState, name="SigningKeyState")
strawberry.enum(CallerKind)
