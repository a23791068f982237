"""What the repository prints of itself: ``python -m hub.printed`` writes schema.graphql and docs/errors.md."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from hub import codes
from hub.api import print_schema
from hub.codes import Code

ROOT = Path(__file__).parents[1]

ERRORS_INTRODUCTION = """\
# Errors

Generated from `hub/codes.py` by `python -m hub.printed`; a test keeps the two equal. Codes only grow, and a code never
changes its meaning. Programs should act on codes; messages are for people and may change.

## Where an error is

- **In a mutation's payload**, `errors: [{code, path, message}]`: the input breaks rules. Every problem found is listed,
  each with the path of its input from the arguments' root, such as `["input", "content", "lines", "0", "amount"]`.
  Nothing was written.
- **At the top level**, `errors: [{message, path, extensions}]`: a query was refused, or the request as a whole.
  `extensions.code` is one of the codes below. `extensions.problems` lists every problem of a refusal in the payload's
  shape; `extensions.path` names the wrong input when a variable has not the declared type.
- **Unexpected**: `Unexpected error.` with the code `INTERNAL` and `extensions.traceId`, which is also the answer's
  `X-Request-Id`. Nothing from inside is shown; quote the id when asking for help.

## HTTP statuses

Answers are `application/graphql-response+json`; with `Accept: application/json` a document or variables that are
refused are answered with 200, as GraphQL over HTTP asks, and everything else is as below.

| status | when |
| --- | --- |
| 200 | the operation ran; single fields may still be refused, and mutations may carry problems in their payloads |
| 400 | not a GraphQL request; a document or variables that do not hold; a limit of the document was tripped |
| 401 | no caller we know (`WWW-Authenticate: Bearer`) and nothing was answered |
| 403 | a browser's request that does not come from the hub's own pages |
| 405, 406, 408, 413, 415 | not a POST; no media type we write; too slow; too large; not JSON in UTF-8 |
| 429 | a rate was exceeded (`Retry-After`) and nothing was answered |
| 500 | an unexpected error before the operation ran |
| 503 | `BUSY` or `UNAVAILABLE` (`Retry-After`) and nothing was answered |
"""

_GROUP = re.compile(r"^    # (?P<group>\S.*)$|^    (?P<code>[A-Z][A-Z0-9_]+) = ")


def grouped() -> Iterator[tuple[str, Code | None]]:
    """The groups of ``hub/codes.py`` in its order: a group's title with None, then its codes."""
    title = ""
    for line in inspect.getsource(codes).splitlines():
        found = _GROUP.match(line)
        if found is None:
            continue
        if found["group"]:
            title = found["group"]
            yield title, None
        else:
            yield title, Code[found["code"]]


def errors_page() -> str:
    """``docs/errors.md``: every code under a heading of its own, so that it can be linked to."""
    lines = [ERRORS_INTRODUCTION]
    for title, code in grouped():
        lines.append(f"\n## {title}\n" if code is None else f"### {code.value}\n\n{code.summary}\n")
    return "\n".join(lines)


PAGES = {"schema.graphql": print_schema, "docs/errors.md": errors_page}


def write() -> None:
    """Write every printed page where it belongs."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page())


if __name__ == "__main__":
    write()
