"""Runs a scoring program over reward inputs in a throw-away process without keys, which a time limit can kill.

``python -m maestromotif.feedback.scoring`` is the child: one JSON document in, one out.
"""

from __future__ import annotations

import json
import math
import subprocess  # the child runs this very file with the same interpreter
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import SignSpec
from maestromotif.errors import ProgramError
from maestromotif.programs.confine import confine_or_refuse
from maestromotif.programs.sandbox import ProgramFault, bare_environment, load
from maestromotif.types import RewardInput

__all__ = ["score_inputs"]

_REMEDY = "Mend the recorded answer, or ask a model again"
_MEMORY = 2 * 1024**3


def score_inputs(source: str, inputs: Sequence[RewardInput], specs: Sequence[SignSpec], filename: str, seconds: float) -> list[float]:
    """The program's score of each input.

    Args:
        source: a program that defines ``score(message, changes)``.
        filename: names the program in messages, with its line.
        seconds: longest time for all of it.

    Raises:
        ProgramError: not allowed, does not stop, raises, or returns something that is no finite number.
    """
    job = {
        "source": source,
        "filename": filename,
        "signs": [[spec.name, list(spec.values)] for spec in specs],
        "inputs": [[given.message, [int(value) for value in given.signs]] for given in inputs],
    }
    # The child must find this very package, installed or not.
    environment = {**bare_environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "maestromotif.feedback.scoring"],
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{filename}: score() did not finish {len(inputs)} captions within {seconds:g} s", _REMEDY) from error
    try:
        answer = json.loads(child.stdout)
    except ValueError as error:
        last = (child.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise ProgramError(f"{filename}: its process died with code {child.returncode} ({last[:200]})", _REMEDY) from error
    if "problem" in answer:
        raise ProgramError(str(answer["problem"]), _REMEDY)
    return [float(score) for score in answer["scores"]]


def _child(job: dict[str, Any]) -> dict[str, Any]:
    filename = str(job["filename"])
    try:
        program = load(job["source"], filename, required=("score",))
    except ProgramError as error:
        return {"problem": error.problem}
    function = program.get("score")
    assert function is not None
    scores: list[float] = []
    for message, signs in job["inputs"]:
        changes = {name: values[index] for (name, values), index in zip(job["signs"], signs, strict=True)}
        given = f"for the message {message[:80]!r}"
        try:
            score = program.call(function, message, changes)
        except ProgramFault as fault:
            return {"problem": f"{filename}: score() fails {given}: {fault}"}
        # Exact types only: a subclass could do anything when it is compared.
        if type(score) not in (int, float, bool) or not math.isfinite(score):
            return {
                "problem": f"{filename}:{_line_of(job['source'])}: score() returned {str(score)[:40]}, which is no finite number, {given}"
            }
        scores.append(float(score))
    return {"scores": scores}


def _line_of(source: str) -> int:
    """The line on which ``score`` is defined."""
    lines = source.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith("def score(")), 1)


def _main() -> None:
    job = json.load(sys.stdin)
    try:
        confine_or_refuse(memory=_MEMORY)
    except ProgramError as error:
        answer: dict[str, Any] = {"problem": str(error)}
    else:
        answer = _child(job)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
