"""Fiscal events and messages: post, reverse, sign and read them; this is the room's front door."""

from hub.domain.fiscal_events.aggregates import totals
from hub.domain.fiscal_events.chains import lineage
from hub.domain.fiscal_events.documents import find_bytes, upload
from hub.domain.fiscal_events.erasing import RequestErasure, hold, request_erasure
from hub.domain.fiscal_events.evidence import evidence, file_name as evidence_file_name
from hub.domain.fiscal_events.feed import FEED, AddedSignature, ReadMark
from hub.domain.fiscal_events.grouping import PostGroups
from hub.domain.fiscal_events.inbox import (
    deliveries_of,
    list_inbox,
    mark_read,
    mark_unread,
    read_messages,
)
from hub.domain.fiscal_events.leaves import LEAVES
from hub.domain.fiscal_events.masking import holds_personal, masked_value, masked_values, withheld
from hub.domain.fiscal_events.proving import PostingProof, prove
from hub.domain.fiscal_events.reading import (
    attachments_of,
    find_posting,
    links_of,
    list_postings,
    list_sent,
    receivers_of,
    reversals_of,
    signatures_of,
    taken_back,
)
from hub.domain.fiscal_events.service import (
    batch_bytes_to_sign,
    bytes_to_sign,
    correct,
    post,
    post_many,
    reversal_content,
    reverse,
    with_replaces,
)
from hub.domain.fiscal_events.signatures import add_signature, signature_bytes
from hub.domain.fiscal_events.store import find_receipts as receipts_of, lines_of

__all__ = [
    "FEED",
    "LEAVES",
    "AddedSignature",
    "PostGroups",
    "PostingProof",
    "ReadMark",
    "RequestErasure",
    "add_signature",
    "attachments_of",
    "batch_bytes_to_sign",
    "bytes_to_sign",
    "correct",
    "deliveries_of",
    "evidence",
    "evidence_file_name",
    "find_bytes",
    "find_posting",
    "hold",
    "holds_personal",
    "lineage",
    "lines_of",
    "links_of",
    "list_inbox",
    "list_postings",
    "list_sent",
    "mark_read",
    "mark_unread",
    "masked_value",
    "masked_values",
    "post",
    "post_many",
    "prove",
    "read_messages",
    "receipts_of",
    "receivers_of",
    "request_erasure",
    "reversal_content",
    "reversals_of",
    "reverse",
    "signature_bytes",
    "signatures_of",
    "taken_back",
    "totals",
    "upload",
    "with_replaces",
    "withheld",
]
