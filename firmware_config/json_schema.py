"""JSON schema of a profile, for editors."""

from __future__ import annotations

from typing import Any

from firmware_config.layers import shipped
from firmware_config.schema import Settings


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a profile."""
    schema = Settings.model_json_schema()
    inherits = {"type": "string", "enum": shipped(), "description": "Shipped profile that this file builds on."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "edge-all profile",
        "properties": {"inherits": inherits, **schema["properties"]},
    }
