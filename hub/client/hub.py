"""A hub as its clients see it: GraphQL documents over HTTP with an API key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

from hub.client.signing import Signer

TIMEOUT_SECONDS = 60.0

POST_EVENTS = """
mutation PostEvents($input: PostFiscalEventsInput!) {
  postFiscalEvents(input: $input) {
    errors { code path message }
    results { outcome errors { code path message } warnings { code } event { id } }
  }
}"""


class HubRefused(Exception):
    """The hub answered with errors; ``errors`` holds each one's code, path and message."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(f"{_code(error)}: {error.get('message', '')}" for error in errors))
        self.errors = list(errors)
        self.codes = [_code(error) for error in errors]


def _code(error: Mapping[str, Any]) -> str:
    return str(error.get("code") or error.get("extensions", {}).get("code") or "ERROR")


class Hub:
    """One hub, called as one system. Close it, or use it in a ``with`` block."""

    def __init__(
        self, url: str, api_key: str | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # Addresses come from our own caller; a proxy of the environment has no business in between.
        self._http = httpx.Client(headers=headers, timeout=timeout_seconds, trust_env=False)
        self.url = url if url.rstrip("/").endswith("/graphql") else url.rstrip("/") + "/graphql"

    def __enter__(self) -> Self:
        """The hub itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the connections back."""
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """The ``data`` of one operation; raises HubRefused for top-level errors, httpx.HTTPError for the network."""
        response = self._http.post(self.url, json={"query": document, "variables": variables})
        try:
            answer = response.json()
        except ValueError:
            response.raise_for_status()
            raise
        if answer.get("errors"):
            raise HubRefused(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    def post_events(
        self,
        signer: Signer,
        contents: Sequence[Mapping[str, Any]],
        *,
        mode: str = "PER_ITEM",
        sign_each: bool = False,
    ) -> list[dict[str, Any]]:
        """
        Sign and post 1 to 500 events; one result each, in order.

        They are signed once, as a batch, which costs both sides less; ``sign_each`` signs every event for itself.
        The idempotency key is the reference id: repeating a call, also after a crash, posts nothing twice.
        """
        items = [
            {"idempotencyKey": content["referenceId"], "content": content}
            | ({"signature": signer.sign(content)} if sign_each else {})
            for content in contents
        ]
        signed = {} if sign_each else {"signature": signer.sign_batch(contents)}
        answer = self.run(POST_EVENTS, input={"items": items, "mode": mode, **signed})["postFiscalEvents"]
        if answer["errors"]:
            raise HubRefused(answer["errors"])
        results: list[dict[str, Any]] = answer["results"]
        return results
