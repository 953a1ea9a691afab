"""Fingerprints: what decides a stage's result, as a digest, and the difference between two of them in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["differences", "digest"]


def digest(inputs: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the sha256 of canonical JSON."""
    text = json.dumps(inputs, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two inputs, as short phrases; empty if nothing did."""
    found: list[str] = []
    for part in (*new, *(key for key in old if key not in new)):
        before, after = old.get(part), new.get(part)
        if before == after:
            continue
        if part == "skills":
            found += _skills(before or {}, after or {})
        elif part == "parents":
            known, present = before or {}, after or {}
            found += [f"{name} changed" for name in present if known.get(name) != present[name]] or ["its parents changed"]
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            found += [
                f"[{part}] {key} changed from {_show(before.get(key))} to {_show(after.get(key))}"
                for key in (*after, *(key for key in before if key not in after))
                if before.get(key) != after.get(key)
            ]
        else:
            found.append(f"{part} changed from {_show(before)} to {_show(after)}")
    return found


def _skills(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = [f"skill {name!r} is new" for name in after if name not in before]
    found += [f"skill {name!r} is gone" for name in before if name not in after]
    for name in after:
        if name in before and before[name] != after[name]:
            keys = [key for key in after[name] if before[name].get(key) != after[name][key]]
            found.append(f"skill {name!r}: {', '.join(keys)} changed")
    return found or ["the order of the skills changed"]


def _show(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
