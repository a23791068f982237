"""HTTP to other systems: one client, and one guard against being turned on the hub's own network (SSRF)."""

from hub.adapters.outbound.addresses import Inside, inside
from hub.adapters.outbound.client import NoAnswer, NotSent, Outbound, Reply, Trouble
from hub.adapters.outbound.guard import (
    Policy,
    Reason,
    Target,
    UrlRefused,
    check_answers,
    check_url,
    origin_of,
    url_problem,
)
from hub.adapters.outbound.resolving import Resolver, SystemResolver

__all__ = [
    "Inside",
    "NoAnswer",
    "NotSent",
    "Outbound",
    "Policy",
    "Reason",
    "Reply",
    "Resolver",
    "SystemResolver",
    "Target",
    "Trouble",
    "UrlRefused",
    "check_answers",
    "check_url",
    "inside",
    "origin_of",
    "url_problem",
]
