"""The demonstration: a government with a provider and a consumer, its keys kept in a file, and the sample imported."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from nacl.signing import SigningKey

from hub import sample
from hub.client import Hub, HubRefused, Signer
from hub.db import Database, Transaction
from hub.domain import reference, registry
from hub.domain.reference import ImportOptions, Profile, Registry
from hub.domain.registry import AddSigningKey, CreateTenant, HubCaller
from hub.kit.ids import public_id
from hub.means import Means

TENANT = CreateTenant(code="as", slug="assam", name="Assam")
CALLER = HubCaller("demo")
WHO = "query Who { me { kind } }"
FILE_NAME = "demo.json"
EXAMPLE = """query Example($references: [String!]) {
  fiscalEvents(first: 1, filter: {referenceIds: $references, subTypes: [DEBIT]}) { edges { node { id } } }
}"""
LINEAGE = """query Lineage($id: ID!) {
  lineage(id: $id) {
    nodes { depth posting { referenceId subType qualifier fiscalYear totalAmount receipt { issuedAt } } }
    edges { relation }
  }
}"""


class ChartRefused(Exception):
    """The chart of accounts has rows that cannot be taken; the message names the first."""


@dataclass(frozen=True)
class Demo:
    """Everything only the demonstration's owner has; lies in a file that nobody else can read."""

    government: str
    operator: str
    provider: str
    provider_key: str = field(repr=False)
    consumer: str
    consumer_key: str = field(repr=False)
    signing_seed: str = field(repr=False)
    signing_key_id: str
    sample_digest: str = ""

    @property
    def signer(self) -> Signer:
        """The provider's signing key."""
        return Signer(self.provider, self.signing_key_id, SigningKey(base64.b64decode(self.signing_seed)))


def load(data_dir: Path) -> Demo | None:
    """The demonstration kept in this data folder, if there is one."""
    try:
        return Demo(**json.loads((data_dir / FILE_NAME).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def save(data_dir: Path, demo: Demo) -> None:
    """Keep the demonstration's keys, readable by this user alone; all of it or nothing, whenever we die."""
    path = data_dir / FILE_NAME
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(demo), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def still_works(url: str, demo: Demo) -> bool:
    """Whether this hub knows the kept keys; not after the database was replaced by another."""
    try:
        for key in (demo.consumer_key, demo.provider_key):
            with Hub(url, key) as hub:
                hub.run(WHO)
    except HubRefused as refused:
        if "UNAUTHENTICATED" not in refused.codes:
            raise
        return False
    return True


def find_example(url: str, demo: Demo) -> str | None:
    """The id of a debit the consumer can see, to try the lineage of; None where there is none."""
    with Hub(url, demo.consumer_key) as hub:
        edges = hub.run(EXAMPLE, references=None)["fiscalEvents"]["edges"]
    return edges[0]["node"]["id"] if edges else None


async def create(db: Database, means: Means) -> Demo:
    """The demonstration in the database, with new keys; what is there already stays."""
    operator = f"operator@{TENANT.slug}.{means.domain}"
    signing = SigningKey.generate()
    public = bytes(signing.verify_key)
    async with db.transaction() as tx:
        made = await registry.create_demo(tx, means, CALLER, tenant=TENANT)
        await registry.add_operator(tx, CALLER, made.tenant.code, operator)
        challenge = await registry.request_key_challenge(tx, CALLER, made.provider.id, public)
        proof = signing.sign(challenge.bytes_to_sign).signature
        answer = AddSigningKey(public, challenge.challenge, proof)
        key = await registry.add_signing_key(tx, CALLER, made.provider.id, answer)
    return Demo(
        government=made.tenant.code,
        operator=operator,
        provider=made.provider.unique_id,
        provider_key=made.provider_key.secret,
        consumer=made.consumer.unique_id,
        consumer_key=made.consumer_key.secret,
        signing_seed=base64.b64encode(bytes(signing)).decode(),
        signing_key_id=public_id("sgk", key.id),
    )


async def save_chart(
    tx: Transaction, government: str, rows: Sequence[Mapping[str, str]]
) -> reference.ImportReport:
    """Bring heads of account into a government's chart, as published (any depth); raises ChartRefused."""
    tenant = await registry.find_tenant_by_code(tx, government)
    if tenant is None:
        raise ChartRefused(f"There is no government {government}")
    report = await reference.import_rows(
        tx, CALLER, tenant.id, Registry.COA, rows, options=ImportOptions(profile=Profile.OPEN)
    )
    if report.bad_rows:
        bad = report.bad_rows[0]
        raise ChartRefused(
            f"Row {bad.row}: {bad.code}: {bad.message} ({len(report.bad_rows)} bad rows in all)"
        )
    return report


async def import_chart(db: Database, government: str, path: Path) -> reference.ImportReport:
    """Bring the heads of account of a budget file into a government's chart, in a transaction of its own."""
    rows = sample.chart(sample.read_rows(path))
    async with db.transaction() as tx:
        return await save_chart(tx, government, rows)


def digest(path: Path) -> str:
    """Names the content of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def import_sample(
    url: str,
    demo: Demo,
    path: Path,
    *,
    begin: Callable[[int], None],
    progress: Callable[[int], None],
    stop: threading.Event,
) -> tuple[Demo, sample.ImportResult]:
    """Post the file's figures through the API; the demo comes back marked when it went to the end. Blocking."""
    found, _ = sample.figures(sample.read_rows(path))
    begin(len(found))
    with Hub(url, demo.provider_key) as hub:
        result = sample.import_figures(hub, demo.signer, demo.government, found, progress=progress, stop=stop)
    return (replace(demo, sample_digest=digest(path)) if result.is_complete else demo), result
