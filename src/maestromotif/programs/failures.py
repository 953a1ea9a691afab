"""How generated programs fail: counts by layer and rule over all that were ever written for a project."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from maestromotif.programs.attempt import LAYERS

__all__ = ["failure_report", "rule"]

_PLACE = re.compile(r"^[\w.-]+\.py(:\d+)?: ")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_HINT = re.compile(r" \((did you mean|line \d+|\d+ times|it was cut off)[^)]*\)")
_NUMBER = re.compile(r"\d[\d,.]*%?")
_LONGEST = 100


def rule(problem: str) -> str:
    """A problem without what is particular to one program: place, names in quotes, numbers."""
    if problem.startswith("in the case "):
        return "a case written from the words fails"
    text = _PLACE.sub("", problem)
    text = _QUOTED.sub("'…'", text)
    text = _NUMBER.sub("N", _HINT.sub("", text)).strip()
    text = text.partition("; there are: ")[0].partition("; of ")[0]
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def failure_report(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts over lines of transcripts.

    Returns:
        ``programs``: how many were written; ``verdicts``: of them, by verdict; ``sources``: by where they came from;
        ``layers``: by layer, ``verdicts`` and ``rules`` (how many programs offend against each); ``rounds``: programs asked for, by
        the number of rounds; ``scenarios``: answers that were to hold cases, by verdict; ``skills``: by name of the request, programs
        written and refused.
    """
    verdicts: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    scenarios: Counter[str] = Counter()
    layers: dict[str, tuple[Counter[str], Counter[str]]] = {layer: (Counter(), Counter()) for layer in LAYERS}
    rounds: dict[str, int] = {}
    names: dict[str, Counter[str]] = {}
    for line in lines:
        kind, name = line.get("kind"), str(line.get("name"))
        if kind == "scenario":
            scenarios[str(line.get("verdict"))] += 1
        elif kind == "assessment":
            layers["assessment"][0][str(line.get("verdict"))] += 1
        elif kind == "program":
            verdict = str(line.get("verdict"))
            verdicts[verdict] += 1
            sources[str(line.get("source"))] += 1
            names.setdefault(name, Counter()).update(("written", verdict))
            rounds[name] = max(rounds.get(name, 0), int(line.get("round", 1)))
            for layer, found in dict(line.get("layers", {})).items():
                if layer in layers and layer != "assessment":
                    layers[layer][0][str(found.get("verdict"))] += 1
                    layers[layer][1].update({rule(str(problem)) for problem in found.get("problems", ())})
    return {
        "programs": verdicts.total(),
        "verdicts": dict(verdicts.most_common()),
        "sources": dict(sources.most_common()),
        "layers": {
            layer: {"verdicts": dict(told.most_common()), "rules": dict(rules.most_common())} for layer, (told, rules) in layers.items()
        },
        "rounds": {str(number): count for number, count in sorted(Counter(rounds.values()).items())},
        "scenarios": dict(scenarios.most_common()),
        "names": {name: dict(counts) for name, counts in names.items()},
    }


def _counts(verdicts: Counter[str], rules: Counter[str]) -> dict[str, dict[str, int]]:
    return {"verdicts": dict(verdicts.most_common()), "rules": dict(rules.most_common())}
