"""GraphQL shapes: types, inputs, enums and payloads, one file per room. No rule lives here."""

import strawberry

from hub.codes import Code

# Named here, before any shape that holds a code: a shape made earlier would give the enum a second name.
strawberry.enum(Code, name="ErrorCode", description="Codes only grow; each is explained in docs/errors.md.")
