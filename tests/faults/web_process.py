"""A web process on a loopback port, as ``python -m tests.faults.web_process PORT``; settings from HUB_…."""

from __future__ import annotations

import sys

import uvicorn

from hub.app import create_app
from hub.settings import Settings

if __name__ == "__main__":
    uvicorn.run(
        create_app(Settings()), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning"
    )
