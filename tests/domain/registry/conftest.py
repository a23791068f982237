"""What the registry's tests share: the hub's own means."""

from __future__ import annotations

import pytest

from hub.means import Means
from hub.signing import HubKey


@pytest.fixture
def means() -> Means:
    """The hub's keys and domain, as an entry point would make them."""
    return Means(domain="ifix.org", signing_key=HubKey.from_seed(bytes(32)), master_key=bytes(range(32)))
