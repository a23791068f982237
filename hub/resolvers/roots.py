"""The rooms' doors put together: what the roots of the schema are merged from."""

from __future__ import annotations

from hub.resolvers.catalogue import CatalogueQuery
from hub.resolvers.feed import FeedQuery, FeedSubscription
from hub.resolvers.fiscal_events import FiscalEventsMutation, FiscalEventsQuery
from hub.resolvers.health import HealthQuery
from hub.resolvers.nodes import NodeQuery
from hub.resolvers.programs import ProgramsMutation, ProgramsQuery
from hub.resolvers.reference import ReferenceMutation, ReferenceQuery
from hub.resolvers.registry import RegistryMutation, RegistryQuery
from hub.resolvers.retention import RetentionMutation, RetentionQuery
from hub.resolvers.transparency import TransparencyQuery
from hub.resolvers.webhooks import WebhooksMutation, WebhooksQuery

QUERIES: tuple[type, ...] = (
    HealthQuery,
    NodeQuery,
    RegistryQuery,
    CatalogueQuery,
    FiscalEventsQuery,
    FeedQuery,
    ProgramsQuery,
    ReferenceQuery,
    RetentionQuery,
    TransparencyQuery,
    WebhooksQuery,
)
MUTATIONS: tuple[type, ...] = (
    RegistryMutation,
    FiscalEventsMutation,
    ProgramsMutation,
    ReferenceMutation,
    RetentionMutation,
    WebhooksMutation,
)
SUBSCRIPTIONS: tuple[type, ...] = (FeedSubscription,)
