"""Command-line parameter type for a finite number within a range."""

from __future__ import annotations

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """Range type that rejects nan, which click.FloatRange accepts in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number.

        Raises:
            click.BadParameter: when the value is not a finite number in the range.
        """
        found = super().convert(value, param, ctx)
        if isinstance(found, float) and not math.isfinite(found):
            self.fail(f"{value} is not a number in the range {self._describe_range()}.", param, ctx)
        return found
