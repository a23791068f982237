"""The log as files (C2SP tlog-tiles): the last checkpoint, tiles, entry bundles and the key that verifies them.

Everybody may read them: a leaf is a commitment and says nothing to who is not given what it commits to.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from hub.db import Database
from hub.domain import transparency
from hub.means import Means
from hub.signing import BundleRef, NoteKey, TileRefused, tile_at_path

ORIGIN_ALLOWED = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
WITNESSES_MAX = 20
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", **ORIGIN_ALLOWED}
FOR_A_SECOND = {"cache-control": "public, max-age=1", **ORIGIN_ALLOWED}
TEXT = "text/plain; charset=utf-8"


class LogPages:
    """Answers GET under /log/ from committed rows; no caller, no limits but the cache's."""

    def __init__(self, db: Database, means: Means) -> None:
        self._db = db
        self._key = NoteKey(means.log_origin, means.log_key.public)

    async def checkpoint(self, _: Request) -> Response:
        """The last signed note, with the witnesses' lines; 404 before the first."""
        async with self._db.read() as read:
            note = await transparency.find_published(read)
        if note is None:
            return Response("no checkpoint yet\n", 404, media_type=TEXT)
        return Response(note, headers=FOR_A_SECOND, media_type=TEXT)

    async def cosigned(self, request: Request) -> Response:
        """The last signed note that `witnesses` (1 to 20) have cosigned; 404 while there is none."""
        asked = request.query_params.get("witnesses", "1")
        if not asked.isascii() or not asked.isdecimal() or not 1 <= int(asked[:3]) <= WITNESSES_MAX:
            return Response("witnesses is a number from 1 to 20\n", 400, media_type=TEXT)
        async with self._db.read() as read:
            note = await transparency.find_cosigned(read, int(asked[:3]))
        if note is None:
            return Response("no checkpoint has so many cosignatures yet\n", 404, media_type=TEXT)
        return Response(note, headers=FOR_A_SECOND, media_type=TEXT)

    async def tile(self, request: Request) -> Response:
        """A tile or bundle that the log has grown to, which never changes; 404 for all else."""
        try:
            ref = tile_at_path("tile/" + request.path_params["rest"])
        except TileRefused:
            return Response("no such tile\n", 404, media_type=TEXT)
        async with self._db.read() as read:
            if isinstance(ref, BundleRef):
                found = await transparency.find_bundle(read, ref)
            else:
                found = await transparency.find_tile(read, ref)
        if found is None:
            return Response("the log has not grown so far\n", 404, media_type=TEXT)
        return Response(found, headers=FOR_EVER, media_type="application/octet-stream")

    async def key(self, _: Request) -> Response:
        """The verifier key, name+hash+base64, to compare with one got elsewhere: trusting this page proves nothing."""
        return Response(self._key.text + "\n", headers=FOR_A_SECOND, media_type=TEXT)

    def routes(self) -> list[Route | Mount]:
        """Their paths."""
        return [
            Route("/log/checkpoint", self.checkpoint),
            Route("/log/checkpoint/cosigned", self.cosigned),
            Route("/log/key", self.key),
            Route("/log/tile/{rest:path}", self.tile),
        ]
