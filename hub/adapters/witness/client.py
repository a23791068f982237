"""Asks one witness for its cosignature: through the outbound guard, within ten seconds, never raising."""

from __future__ import annotations

from hub.adapters.outbound import NoAnswer, NotSent, Outbound, Policy, UrlRefused
from hub.adapters.witness.wire import SIZE_TYPE, read_lines, read_size, write_request
from hub.domain.transparency import Reply, Said, Submission, Witness

SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 16 * 1024
OK, CONFLICT = 200, 409


class HttpWitnessDesk:
    """Carries submissions to witnesses the policy allows."""

    def __init__(self, policy: Policy, *, seconds_max: float = SECONDS_MAX) -> None:
        self._outbound = Outbound(policy)
        self._seconds_max = seconds_max

    async def add_checkpoint(self, witness: Witness, submission: Submission) -> Reply:
        """Send one submission; whatever goes wrong is a reply."""
        body = write_request(submission.old, submission.proof, submission.checkpoint.note)
        try:
            reply = await self._outbound.post(
                f"{witness.url.rstrip('/')}/add-checkpoint",
                content=body,
                headers={"content-type": "text/plain; charset=utf-8"},
                timeout_seconds=self._seconds_max,
                answer_bytes_max=ANSWER_BYTES_MAX,
            )
        except UrlRefused:
            return Reply(Said.UNREACHABLE, reason="URL_REFUSED")
        except (NotSent, NoAnswer) as failure:
            return Reply(Said.UNREACHABLE, reason=failure.trouble.value)
        if reply.cut:
            return Reply(Said.REFUSED, reason="ANSWER_SIZE")
        if reply.status == OK:
            return Reply(Said.COSIGNED, lines=read_lines(reply.body))
        kind = reply.headers.get("content-type", "").partition(";")[0].strip()
        if reply.status == CONFLICT and kind == SIZE_TYPE:
            size = read_size(reply.body)
            if size is not None:
                return Reply(Said.OTHER_SIZE, size=size)
        return Reply(Said.REFUSED, reason=f"HTTP_{reply.status}")
