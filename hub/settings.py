"""Every environment value of the hub (prefix HUB_), typed and frozen; read once by the entry points."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_BYTES = 32


class Settings(BaseSettings):
    """Values only entry points read; everything below ``app`` and ``worker`` receives what it needs."""

    model_config = SettingsConfigDict(env_prefix="HUB_", frozen=True, extra="ignore")

    mode: Literal["development", "production"] = "development"
    environments: frozenset[Literal["LIVE", "TEST"]] = frozenset({"LIVE", "TEST"})
    data_dir: Path = Path(".hub")
    domain: str = "ifix.org"
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s@]+/?$",
        description="the hub's address as browsers see it; whose own pages a form came from is judged by it",
    )
    trusted_proxies: str = Field(
        default="",
        description="addresses or networks, separated by commas, whose X-Forwarded-For is believed",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    database_url: SecretStr | None = None
    database_owner_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    database_read_url: SecretStr | None = Field(
        default=None, description="a standby of the same database, which answers the reads of systems"
    )
    web_processes: int = Field(default=1, ge=1, le=64, description="that `fiscal-hub run` starts on one port")
    pool_size: int = 16
    read_pool_size: int = Field(default=0, description="connections for single reads; 0: as pool_size")
    post_queue_max: int = Field(default=2_000, description="single posts that may wait for their turn")
    post_group_max: int = Field(
        default=128, description="single posts that share a transaction; 1: none does"
    )
    statement_timeout_ms: int = 10_000
    lock_timeout_ms: int = 4_000

    master_key: SecretStr | None = Field(default=None, description="32 bytes, base64")
    signing_key: SecretStr | None = Field(default=None, description="Ed25519 seed, 32 bytes, base64")

    log_key: SecretStr | None = Field(default=None, description="Ed25519 seed of the log, 32 bytes, base64")
    log_key_previous: SecretStr | None = Field(
        default=None, description="the seed before it, until the log has announced the new one"
    )
    vault_key: SecretStr | None = Field(
        default=None, description="32 bytes, base64: wraps the keys of documents and personal values"
    )
    vault_key_previous: SecretStr | None = Field(
        default=None, description="the one before it, until the worker has wrapped every key anew"
    )
    second_factor: Literal["offered", "operators", "required"] | None = Field(
        default=None,
        description="from whom weighty steps demand a second factor; operators in production, else nobody",
    )
    log_promise_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="How long after a posting its receipt promises it to be in the log",
    )

    witnesses: str = Field(
        default="",
        description="witnesses that cosign the log's checkpoints: URL, space, verifier key; separated by commas",
    )

    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = True
    mail_from: str = "Fiscal Hub <no-reply@localhost>"

    metrics_key: SecretStr | None = Field(
        default=None,
        description="what /metrics is asked with (Bearer); in production nothing answers without",
    )

    outbound_private: str = Field(
        default="",
        description="inner networks, separated by commas, that webhooks may call all the same, also by plain HTTP",
    )

    depth_max: int = 10
    tokens_max: int = 2_000
    aliases_max: int = 30
    root_mutations_max: int = 5
    cost_max: int = 20_000
    document_chars_max: int = 100_000
    document_cache_bytes: int = 64 * 1024 * 1024
    body_bytes_max: int = 16 * 1024 * 1024
    requests_per_minute: int = 6_000
    anonymous_requests_per_minute: int = 120

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        return value and value.rstrip("/")

    def second_factor_policy(self) -> Literal["offered", "operators", "required"]:
        """What is set, else what the mode asks for."""
        return self.second_factor or ("operators" if self.mode == "production" else "offered")

    def secret_bytes(self, name: Literal["master_key", "signing_key", "log_key", "vault_key"]) -> bytes:
        """32 secret bytes: from the environment, else from a file in the data folder made at first use.

        In production a missing value is refused, as a fresh key per machine would split the hub.
        """
        value: SecretStr | None = getattr(self, name)
        if value is not None:
            return _decode(name, value)
        path = self.data_dir / "secrets" / name
        if path.exists():
            return path.read_bytes()
        if self.mode == "production":
            raise ValueError(f"HUB_{name.upper()} is required in production")
        return _create_secret(path)

    def previous_log_key(self) -> bytes | None:
        """The seed that signed the log before ``log_key``, where one is given."""
        value = self.log_key_previous
        return None if value is None else _decode("log_key_previous", value)

    def previous_vault_key(self) -> bytes | None:
        """The key that wrapped data keys before ``vault_key``, where one is given."""
        value = self.vault_key_previous
        return None if value is None else _decode("vault_key_previous", value)


def _decode(name: str, value: SecretStr) -> bytes:
    raw = base64.b64decode(value.get_secret_value(), validate=True)
    if len(raw) != SECRET_BYTES:
        raise ValueError(f"HUB_{name.upper()} must be {SECRET_BYTES} bytes in base64")
    return raw


def _create_secret(path: Path) -> bytes:
    """Write 32 random bytes once, even when two processes start at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_bytes(secrets.token_bytes(SECRET_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_bytes()
