"""Doors to the attribute catalogue: public and the same for everybody, so nothing is checked or paged."""

from __future__ import annotations

import strawberry

from hub.domain.fiscal_events import catalogue
from hub.schema.catalogue import AttributeGroup, BudgetProcess, CatalogueAttribute


@strawberry.type
class CatalogueQuery:
    @strawberry.field(description="The sixteen processes of the budget cycle, from planning to audit.")
    def processes(self) -> list[BudgetProcess]:
        return [BudgetProcess.of(process) for process in catalogue.load().processes.values()]

    @strawberry.field(
        description="The attribute groups of one process by its key, or of all; none for an unknown process."
    )
    def attribute_groups(self, process: str | None = None) -> list[AttributeGroup]:
        return [AttributeGroup.of(group) for group in catalogue.load().groups_of(process)]

    @strawberry.field(description="One attribute by its key; null for a key the catalogue does not know.")
    def attribute(self, key: str) -> CatalogueAttribute | None:
        found = catalogue.load().attributes.get(key)
        return CatalogueAttribute.of(found) if found else None
