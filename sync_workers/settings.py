"""What the environment and ``systems.toml`` say, read once and checked whole.

Opens no connection and knows no platform: options that belong to a platform are passed on as they
are, with secrets resolved. Every mistake is a SettingsError that names the file, the key, the value
(never a secret one) and what to write instead.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate

from sync_workers.domain.systems import Limits, SystemSettings
from sync_workers.errors import SettingsError

SYSTEMS_FILE = "systems.toml"
FROM_ENVIRONMENT = "env:"
SYSTEM_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
SECRET_KEY = re.compile(r"(?i)secret|token|password|passwd|api_?key|credential")

_POSITIVE = validate.Range(min=0, min_inclusive=False)


class _LimitsSchema(Schema):
    class Meta:
        unknown = RAISE

    requests = fields.Integer(strict=True, validate=validate.Range(min=1))
    window_s = fields.Float(validate=_POSITIVE)
    in_flight = fields.Integer(strict=True, validate=validate.Range(min=1))


class _SystemSchema(Schema):
    """The keys that every platform has; the rest are the platform's own options."""

    class Meta:
        unknown = INCLUDE

    platform = fields.String(required=True, validate=validate.Length(min=1))
    base_url = fields.String(required=True)
    webhook_secret = fields.String(validate=validate.Length(min=8, error="must have 8 characters or more"))
    public_url = fields.String()
    limits = fields.Nested(_LimitsSchema)
    poll = fields.Dict(keys=fields.String(), values=fields.Float(validate=_POSITIVE))


@dataclass(frozen=True)
class Settings:
    """All settings of one process. ``database_url`` or ``broker_url`` None: the embedded server is meant."""

    config: Path
    home: Path
    web_bind: tuple[str, int]
    database_url: str | None = field(default=None, repr=False)
    broker_url: str | None = field(default=None, repr=False)
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    systems: Mapping[str, SystemSettings] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment (by default the process's own) and the file that it names."""
        env = os.environ if environ is None else environ
        config = Path(env.get("SYNC_CONFIG") or "config")
        return cls(
            config=config,
            home=Path(env.get("SYNC_HOME") or ".sync"),
            web_bind=_bind(env.get("SYNC_WEB_BIND") or "127.0.0.1:8000"),
            database_url=_url(env, "SYNC_DATABASE_URL", ("postgresql", "postgres", "postgresql+psycopg2")),
            broker_url=_url(env, "SYNC_BROKER_URL", ("redis", "rediss", "amqp", "amqps")),
            alert_urls=tuple((env.get("SYNC_ALERT_URLS") or "").replace(",", " ").split()),
            systems=load_systems(config / SYSTEMS_FILE, env),
        )

    @property
    def secrets(self) -> frozenset[str]:
        """Return every text that must not be logged."""
        found = {url for url in (self.database_url, self.broker_url, *self.alert_urls) if url}
        for url in (self.database_url, self.broker_url):
            found |= {urlsplit(url).password or ""} if url else set()
        for system in self.systems.values():
            found.add(system.webhook_secret or "")
            found |= set(_secrets_in(system.options))
        return frozenset(found - {""})


def load_systems(file: Path, environ: Mapping[str, str]) -> dict[str, SystemSettings]:
    """Read ``[systems.NAME]`` tables, with every ``"env:NAME"`` taken from ``environ``."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{file} does not exist",
            mend="run 'sync-workers init' to write one, or set SYNC_CONFIG to the folder that holds it",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}", mend="mend the file at that place") from None
    for key in document:
        if key != "systems":
            raise _wrong(file, key, "is not known", f"remove it, or write it below [systems.{key}]")
    tables = document.get("systems")
    if not isinstance(tables, dict) or not tables:
        raise _wrong(file, "systems", "names no system", "write a table [systems.NAME] for each system")
    return {name: _system(file, name, table, environ) for name, table in tables.items()}


def _system(file: Path, name: str, table: Any, environ: Mapping[str, str]) -> SystemSettings:
    place = f"systems.{name}"
    if not SYSTEM_NAME.fullmatch(name):
        raise _wrong(
            file,
            place,
            "is no name for a system",
            "use up to 31 lower-case letters, digits and underscores, a letter first",
        )
    if not isinstance(table, dict):
        raise _wrong(file, place, f"is {table!r}, not a table", f"write [{place}] and its keys below it")
    resolved = _resolve(file, place, table, environ)
    try:
        loaded = _SystemSchema().load(resolved)
    except ValidationError as error:
        messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise _invalid(file, place, messages, resolved) from None
    for key in ("base_url", "public_url"):
        if key in loaded:
            _check_address(file, f"{place}.{key}", loaded[key])
    known = set(_SystemSchema().fields)
    return _RedactedSettings(
        name=name,
        platform=loaded["platform"],
        base_url=loaded["base_url"].rstrip("/"),
        options={key: value for key, value in loaded.items() if key not in known},
        webhook_secret=loaded.get("webhook_secret"),
        public_url=loaded.get("public_url"),
        limits=Limits(**loaded.get("limits", {})),
        poll_s=loaded.get("poll", {}),
    )


class _RedactedSettings(SystemSettings):
    """Says which system it is about, and none of its secrets."""

    def __repr__(self) -> str:
        return f"SystemSettings(name={self.name!r}, platform={self.platform!r})"


def _resolve(file: Path, place: str, value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(file, f"{place}.{key}", inner, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(file, place, inner, environ) for inner in value]
    if isinstance(value, str) and value.startswith(FROM_ENVIRONMENT):
        variable = value.removeprefix(FROM_ENVIRONMENT).strip()
        if not environ.get(variable):
            raise SettingsError(
                f"{file}: {place} is {value!r}, but the environment has no {variable or 'such variable'}",
                mend=f"set {variable or 'a variable and name it here'} in the environment",
                field=place,
            )
        return environ[variable]
    return value


def _check_address(file: Path, place: str, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _wrong(file, place, f"is {value!r}, no http(s) address", "write https://host, a path if needed")
    if parts.password:
        raise _wrong(file, place, "carries a password", 'move it to the option of that name, as "env:NAME"')


def _invalid(file: Path, place: str, messages: Mapping[Any, Any], table: Mapping[str, Any]) -> SettingsError:
    """Name the first thing that is wrong, with its value unless it is a secret."""
    key, said = next(_flat(messages))
    value: Any = table
    for part in key.split("."):
        value = value.get(part, ...) if isinstance(value, dict) else ...
    shown = "" if value is ... or SECRET_KEY.search(key) else f" is {value!r}:"
    return _wrong(
        file, f"{place}.{key}", f"{shown} {said}".strip(), "see config/systems.toml of 'sync-workers init'"
    )


def _flat(messages: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in messages.items():
        # marshmallow puts "key" and "value" between a dict's entry and what is wrong with it
        inner = prefix.rstrip(".") if key in ("key", "value") and prefix else f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{inner}.")
        else:
            yield inner, " ".join(str(said) for said in value)


def _wrong(file: Path, key: str, said: str, mend: str) -> SettingsError:
    return SettingsError(f"{file}: {key} {said}", mend=mend, field=key)


def _url(environ: Mapping[str, str], variable: str, schemes: tuple[str, ...]) -> str | None:
    value = environ.get(variable)
    if not value:
        return None
    if urlsplit(value).scheme not in schemes:
        raise SettingsError(  # the value may hold a password, so only its scheme is shown
            f"{variable} begins with {value.partition('://')[0][:20]!r}",
            mend=f"write {' or '.join(f'{scheme}://' for scheme in schemes)} and the rest of the address",
            field=variable,
        )
    return value


def _bind(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(
            f"SYNC_WEB_BIND is {value!r}",
            mend="write host:port, such as 127.0.0.1:8000",
            field="SYNC_WEB_BIND",
        )
    return host.strip("[]"), int(port)


def _secrets_in(options: Mapping[str, Any]) -> Iterator[str]:
    for key, value in options.items():
        if isinstance(value, dict):
            yield from _secrets_in(value)
        elif isinstance(value, str) and SECRET_KEY.search(key):
            yield value
