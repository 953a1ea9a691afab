"""The inside of a scenario's throw-away process: a program is asked in the situations that were written for it.

Started by ``scenario.run_scenario`` with one JSON document on standard input; answers with one on standard output.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from maestromotif.domains.contract import Domain, Facts, facts_class
from maestromotif.errors import ProgramError
from maestromotif.programs.confine import address_space, confine_or_refuse
from maestromotif.programs.sandbox import Program, ProgramFault, load
from maestromotif.programs.scenario import usual_facts
from maestromotif.programs.schedule import POLICY_CLASS
from maestromotif.programs.simulate import limit_process

__all__ = ["examine", "main"]


def examine(job: Mapping[str, Any]) -> dict[str, Any]:
    """For each case ``{"got": {name: answer}}`` or ``{"fault": text}``; or ``{"problem": text}`` for all of them."""
    module, _, name = job["domain"].partition(":")
    domain: Domain = getattr(importlib.import_module(module), name)(job["options"])
    usual = usual_facts(domain, job["seed"])
    make = facts_class("Facts", domain.fact_specs)
    limit_process(job["seconds"])
    required = (POLICY_CLASS,) if job["policy"] else ("can_start", "is_over")
    try:
        confine_or_refuse(memory=address_space() + job["memory_mb"] * 2**20)
        program = load(job["program"], job["file"], names=list(usual), seed=job["seed"], fuel=job["fuel"], required=required)
    except ProgramError as error:
        return {"problem": error.problem}
    ask = _ask_policy if job["policy"] else _ask_skill
    results: list[dict[str, Any]] = []
    for case in job["cases"]:
        try:
            results.append({"got": ask(program, case, [make(**facts) for facts in _moments(usual, case["states"])])})
        except ProgramFault as fault:
            results.append({"fault": str(fault)})
    return {"results": results}


def _moments(usual: Mapping[str, Any], states: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    facts = dict(usual)
    for state in states:
        facts = {**facts, **state}
        yield facts


def _ask_skill(program: Program, case: Mapping[str, Any], moments: list[Facts]) -> dict[str, Any]:
    first, last = moments[0], moments[-1]
    asked = {"can_start": (last,), "is_over": (last, first)}
    return {name: _plain(program.call(_defined(program.get(name)), *asked[name])) for name in case["expected"]}


def _ask_policy(program: Program, case: Mapping[str, Any], moments: list[Facts]) -> dict[str, Any]:
    policy = program.call(_defined(program.get(POLICY_CLASS)))
    observe, is_done = getattr(policy, "observe", None), getattr(policy, "is_done", None)
    done: Any = None
    for facts in moments:
        if callable(observe):
            program.call(observe, facts)
        if callable(is_done):
            done = program.call(is_done, facts)
    got = {"is_done": _plain(done)}
    if "next_skill" in case["expected"]:
        got["next_skill"] = _plain(program.call(policy.next_skill, moments[-1], case["finished"], list(case["startable"])))
    return got


def _defined(function: Callable[..., Any] | None) -> Callable[..., Any]:
    if function is None:  # ``load`` saw to it
        raise ProgramFault("a function is gone")
    return function


def _plain(value: object) -> object:
    """What may leave this process: a truth value, a short text, or the name of what it is instead."""
    if type(value) is bool or value is None:
        return value
    return value[:60] if type(value) is str else f"a value of type {type(value).__name__}"


def main() -> None:
    """Read a job from standard input, write the outcome to standard output."""
    outcome = examine(json.load(sys.stdin))
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(json.dumps(outcome))
