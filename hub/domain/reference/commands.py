"""Commands as JSON and back: what a proposal keeps and what an idempotency key stands for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from hub.domain.reference.model import KEEP, Keep, Registry, SaveEntry, Status


def to_json(command: SaveEntry) -> dict[str, Any]:
    """Everything a command says; what it keeps is left out."""
    written: dict[str, Any] = {
        "registry": command.registry.value,
        "code": command.code,
        "entryId": str(command.entry_id) if command.entry_id else None,
        "expectedVersion": command.expected_version,
        "scope": command.scope,
        "attributes": dict(command.attributes),
        "links": {kind.value: list(targets) for kind, targets in command.links.items()},
        "heads": list(command.heads),
        "validFrom": command.valid_from.isoformat() if command.valid_from else None,
        "ancestorNames": list(command.ancestor_names),
        "createAncestors": command.create_ancestors,
        "upsert": command.upsert,
    }
    said = {"name": command.name, "parent": command.parent, "level": command.level}
    written |= {key: value for key, value in said.items() if not isinstance(value, Keep)}
    if not isinstance(command.children, Keep):
        written["children"] = [list(child) for child in command.children]
    if not isinstance(command.names, Keep):
        written["names"] = dict(command.names)
    if not isinstance(command.status, Keep):
        written["status"] = command.status.value
    if not isinstance(command.valid_to, Keep):
        written["validTo"] = command.valid_to.isoformat() if command.valid_to else None
    return written


def from_json(written: Mapping[str, Any]) -> SaveEntry:
    """The command that was written."""
    end = written.get("validTo", KEEP)
    return SaveEntry(
        Registry(written["registry"]),
        code=written["code"],
        entry_id=uuid.UUID(written["entryId"]) if written["entryId"] else None,
        expected_version=written["expectedVersion"],
        scope=written["scope"],
        name=written.get("name", KEEP),
        names=written.get("names", KEEP),
        parent=written.get("parent", KEEP),
        level=written.get("level", KEEP),
        status=Status(written["status"]) if "status" in written else KEEP,
        attributes=written["attributes"],
        links={Registry(kind): tuple(targets) for kind, targets in written["links"].items()},
        children=tuple((code, is_child) for code, is_child in written["children"])
        if "children" in written
        else KEEP,
        heads=tuple(written["heads"]),
        valid_from=date.fromisoformat(written["validFrom"]) if written["validFrom"] else None,
        valid_to=date.fromisoformat(end) if isinstance(end, str) else end,
        ancestor_names=tuple(written["ancestorNames"]),
        create_ancestors=written["createAncestors"],
        upsert=written["upsert"],
    )
