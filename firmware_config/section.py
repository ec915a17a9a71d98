"""What every table of a profile is: checked, frozen, and described by its docstrings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Values are taken as TOML writes them (no "4" for 4), unknown keys are errors, and every key has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
