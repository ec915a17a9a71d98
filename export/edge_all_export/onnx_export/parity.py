"""Agreement of a file of another precision with the float one."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_all_export.onnx_export.accuracy_gate import Check


@dataclass
class Parity:
    """Result of the gate for one precision."""

    precision: str
    checks: list[Check] = field(default_factory=list)
    float_layers: list[str] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    """Error of each layer alone in INT8, if the worst layers were searched for: layer_errors."""
    trained_again: bool = False
    largest_difference: float = 0.0
    """Largest difference between this file and the float one over the self-check batch."""

    @property
    def passed(self) -> bool:
        """True if all checks passed."""
        return all(c.passed for c in self.checks)
