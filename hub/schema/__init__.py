"""GraphQL shapes: types, inputs, enums and payloads, one file per room. No rule lives here."""
