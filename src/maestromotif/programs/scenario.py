"""Cases that a model writes for a program from the words alone, before it sees any: facts, and what must come out.

Whoever wrote them may be wrong, so a case that fails is a doubt and never refuses a program.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from maestromotif.domains.contract import Domain, FactSpec
from maestromotif.programs.answers import extract_json
from maestromotif.programs.child import run_job
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.requests import Question

__all__ = ["Case", "Outcome", "Scenario", "read_scenario", "run_scenario", "usual_facts"]

_MOST_CASES = 20
_MOST_STATES = 50
_MOST_WORDS = 200
_TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class Case:
    """One situation.

    Attributes:
        words: what is right there, and why.
        states: the facts of each moment that differ from the moment before; those of the first, from the usual ones.
        expected: by what is asked (``can_start``, ``is_over``, ``next_skill``, ``is_done``), the answers that are right.
        finished, startable: as for ``next_skill``.
    """

    words: str
    states: tuple[Mapping[str, Any], ...]
    expected: Mapping[str, tuple[bool | str, ...]]
    finished: str = ""
    startable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """All cases for one program.

    Attributes:
        malformed: entries that are no cases, with the reason; they are left out.
        skipped: why there is no scenario; empty if there is one.
    """

    cases: tuple[Case, ...] = ()
    malformed: tuple[str, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program did in the cases of a scenario.

    Attributes:
        cases: how many were tried; ``malformed``: how many more were no cases.
        failed: a line for each that failed, in words that help the coder.
        skipped: why none was tried.
    """

    cases: int = 0
    malformed: int = 0
    failed: tuple[str, ...] = ()
    skipped: str = ""

    def as_json(self) -> dict[str, Any]:
        verdict = "skipped" if self.skipped else "doubtful" if self.failed else "passed"
        shown = {"skipped": self.skipped} if self.skipped else {}
        return {"verdict": verdict, "problems": list(self.failed), "cases": self.cases, "malformed": self.malformed, **shown}


def usual_facts(domain: Domain, seed: int = 0) -> dict[str, Any]:
    """The facts at the beginning of a simulated episode."""
    facts = domain.simulator().reset(seed)
    return {spec.name: getattr(facts, spec.name) for spec in domain.fact_specs}


def read_scenario(text: str, question: Question, domain: Domain) -> Scenario:
    """The cases in an answer; whatever is no case is told in ``malformed``."""
    try:
        document = extract_json(text)
    except ValueError as error:
        return Scenario(skipped=str(error))
    if isinstance(document, dict):
        document = next((value for value in document.values() if isinstance(value, list)), None)
    if not isinstance(document, list):
        return Scenario(skipped="the answer's JSON is no list of cases")
    specs = {spec.name: spec for spec in domain.fact_specs}
    cases, malformed = [], []
    for number, entry in enumerate(document[:_MOST_CASES], 1):
        try:
            cases.append(_case(entry, question, specs))
        except ValueError as error:
            malformed.append(f"case {number}: {error}")
    skipped = "" if cases else "the answer holds no case that can be used"
    return Scenario(tuple(cases), tuple(malformed), skipped)


def _case(entry: object, question: Question, specs: Mapping[str, FactSpec]) -> Case:
    if not isinstance(entry, dict):
        raise ValueError("is no JSON object")
    states = entry.get("states", [{}])
    states = [states] if isinstance(states, dict) else states
    if not isinstance(states, list) or not 1 <= len(states) <= _MOST_STATES:
        raise ValueError(f"states is no list of 1 to {_MOST_STATES} moments")
    startable = _names(entry.get("startable", list(question.skills)), question, "startable")
    finished = _names([entry["finished"]] if entry.get("finished") else [], question, "finished")
    words = " ".join(str(entry.get("words", "")).split())[:_MOST_WORDS]
    return Case(
        words or "a case without words",
        tuple(_state(state, specs) for state in states),
        _expected(entry, question, startable),
        finished[0] if finished else "",
        startable,
    )


def _state(state: object, specs: Mapping[str, FactSpec]) -> dict[str, Any]:
    if not isinstance(state, dict):
        raise ValueError("a moment is no JSON object")
    return {name: _value(name, value, specs) for name, value in state.items()}


def _value(name: str, value: object, specs: Mapping[str, FactSpec]) -> object:
    spec = specs.get(name)
    if spec is None:
        raise ValueError(f"there is no fact {name[:60]!r}")
    if spec.type == "float" and type(value) is int:
        value = float(value)
    if type(value) is not _TYPES[spec.type]:
        raise ValueError(f"{name} must be {spec.type}, not {value!r:.40}")
    if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= _LARGEST):
        raise ValueError(f"{name} is too large")
    if spec.values and value not in spec.values:
        raise ValueError(f"{name} is never {value!r:.40}")
    return value


def _expected(entry: Mapping[str, Any], question: Question, startable: Sequence[str]) -> dict[str, tuple[bool | str, ...]]:
    wanted = [name for name, _ in (*question.functions, *question.methods)]
    found: dict[str, tuple[bool | str, ...]] = {}
    for name in wanted:
        value = entry.get(name)
        if value is None:
            continue
        if name == "next_skill":
            skills = _names([value] if isinstance(value, str) else value, question, name)
            if not set(skills) & set(startable):
                raise ValueError("next_skill names no skill that may start there")
            found[name] = skills
        elif isinstance(value, bool):
            found[name] = (value,)
        else:
            raise ValueError(f"{name} must be true or false")
    if not found:
        raise ValueError(f"says nothing of {', '.join(wanted)}")
    return found


def _names(value: object, question: Question, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{what} is no list of skills")
    unknown = [name for name in value if question.skills and name not in question.skills]
    if unknown:
        raise ValueError(f"{what}: there is no skill {unknown[0][:60]!r}")
    return tuple(value)


def run_scenario(source: str, question: Question, scenario: Scenario, domain: Domain, config: ProgramConfig, seed: int) -> Outcome:
    """Try a checked program in all cases, in a throw-away process."""
    if scenario.skipped:
        return Outcome(malformed=len(scenario.malformed), skipped=scenario.skipped)
    job = {
        "domain": f"{type(domain).__module__}:{type(domain).__qualname__}",
        "options": dict(domain.options),
        "program": source,
        "file": question.file,
        "policy": bool(question.methods),
        "cases": [asdict(case) for case in scenario.cases],
        "fuel": config.fuel,
        "seconds": config.seconds,
        "memory_mb": config.memory_mb,
        "seed": seed,
    }
    outcome = run_job("maestromotif.programs.examine", job, config.seconds, f"answer {len(scenario.cases)} cases", (question.file,))
    if "problem" in outcome:
        return Outcome(malformed=len(scenario.malformed), skipped=f"the cases could not be tried: {outcome['problem']}")
    results = zip(scenario.cases, outcome["results"], strict=True)
    failed = tuple(line for case, result in results if (line := _failure(case, result)))
    return Outcome(len(scenario.cases), len(scenario.malformed), failed)


def _failure(case: Case, result: Mapping[str, Any]) -> str:
    """What is wrong with a result; empty if nothing is."""
    if "fault" in result:
        wrong = [f"failed with {result['fault']}"]
    else:
        got = {name: result["got"].get(name) for name in case.expected}
        wrong = [
            f"{name} gave {got[name]!r}, expected {' or '.join(map(repr, right))}"
            for name, right in case.expected.items()
            if got[name] not in right
        ]
    if not wrong:
        return ""
    moments = "; then ".join(map(_moment, case.states))
    return f"in the case {case.words!r} ({moments}): {'; '.join(wrong)}. The case was written from the words alone and may itself be wrong"


def _moment(state: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in state.items()) or "the usual facts"
