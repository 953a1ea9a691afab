"""What simulated episodes of the played programs expect, to stand beside what was played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maestromotif.programs.trial import expected_rate
from maestromotif.stages.files import read_json

__all__ = ["simulated_rates"]


def simulated_rates(program: Path, criterion: str, max_steps: int) -> dict[str, float]:
    """Share of simulated episodes with success within so many steps, by how skills fare (see ``Domain.simulators``).

    Args:
        program: its file; the trials lie beside it. Empty: it was not tried, or by none of the domain's simulators.
    """
    document: Any = read_json(program.parent / "trials.json") or {}
    kept = ((document.get("programs") or {}).get(program.name) or {}).get("expected") or {}
    rates = {who: expected_rate(expected, criterion, max_steps) for who, expected in kept.items()}
    return {who: rate for who, rate in rates.items() if rate is not None}
