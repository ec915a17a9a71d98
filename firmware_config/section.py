"""Base class of the tables of a profile."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Table of a profile: validated, frozen, and described by its attribute docstrings.

    Values must have their TOML type ("4" is not accepted for 4), unknown keys are errors, and every key has a default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
