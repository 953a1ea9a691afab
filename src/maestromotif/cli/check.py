"""``check``: does a domain keep its contract, and if not, what is wrong and what to change."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maestromotif.errors import ConfigError, ProjectError

if TYPE_CHECKING:
    from maestromotif.domains.checks import CheckResult

__all__ = ["register"]

_FAILED = 1
_MARKS = {"passed": "ok", "failed": "FAILED", "vacuous": "-"}


def check(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="The id of a domain, or a project folder.", show_default=False)],
    only: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Only this check; may be repeated.")] = None,
    allow: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="A check that may fail; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Longest time of one call into the domain.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object with all results.")] = False,
) -> None:
    """Try whether a domain keeps its contract, and explain what fails.

    The domain plays in a process of its own that holds no keys, so one that hangs or crashes is told like any other fault. Exit code 0:
    all checks passed or found nothing to look at; 1: one failed.
    """
    from maestromotif.domains.checks import CHECKS, Outcome
    from maestromotif.domains.checks.advice import LOADING
    from maestromotif.domains.checks.apart import check_apart
    from maestromotif.programs.sandbox import scrubbed_environment

    domain_id, options, root, left_out = _what(domain)
    allowed = set(allow or ())
    for name in (*(only or ()), *allowed):
        if name not in (*CHECKS, LOADING, "spaces"):
            raise ConfigError(f"no check is named {name!r}", "Checks: " + ", ".join(CHECKS))
    names = set(only or ()) or (set(CHECKS) | {"spaces"}) - left_out
    results = []
    for result in check_apart(domain_id, options, root, scrubbed_environment(), names, seconds):
        results.append(result)
        if not as_json:
            _show(result, result.name in allowed)
    failed = [result for result in results if result.outcome is Outcome.FAILED and result.name not in allowed]
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    if as_json:
        typer.echo(json.dumps({"domain": domain_id, "ok": not failed, "checks": [_plain(result) for result in results]}, indent=2))
    else:
        skipped = len(names) + 1 - len(results) if results[-1].outcome is Outcome.FAILED else 0
        typer.echo(
            f"{counts[Outcome.PASSED]} passed, {counts[Outcome.FAILED]} failed, {counts[Outcome.VACUOUS]} found nothing to look at"
            + (f", {skipped} not run" if skipped else "")
        )
    if failed:
        sys.exit(_FAILED)


def _what(text: str) -> tuple[str, dict[str, Any], Path, set[str]]:
    """Id and options of the domain, the folder from which its files are meant, and checks that say nothing about it."""
    from maestromotif.config import CONFIG_FILE, load_config

    folder = Path(text)
    if not folder.is_dir() and folder.name == text:
        return text, {}, Path(), set()
    if not (folder / CONFIG_FILE).is_file():
        raise ProjectError(f"{folder}: no {CONFIG_FILE} there, so not a project", f"Make one with `maestromotif init {folder}`")
    config = load_config(folder / CONFIG_FILE)
    asks = "openai" in (config.coder.kind, config.annotator.kind)
    return config.domain.id, config.domain.options, folder, {"recorded answers"} if asks else set()


def _show(result: CheckResult, allowed: bool) -> None:
    from maestromotif.domains.checks import Outcome
    from maestromotif.domains.checks.advice import advice_for

    mark = "allowed" if allowed and result.outcome is Outcome.FAILED else _MARKS[result.outcome.value]
    typer.echo(f"{mark:<8}{result.name}: {result.why}")
    if mark == "FAILED":
        advice = advice_for(result.name)
        typer.echo(f"        why it matters: {advice.why}\n        what to do: {advice.remedy}")


def _plain(result: CheckResult) -> dict[str, str]:
    from maestromotif.domains.checks import Outcome
    from maestromotif.domains.checks.advice import advice_for

    found = {"name": result.name, "outcome": result.outcome.value, "found": result.why}
    if result.outcome is not Outcome.FAILED:
        return found
    advice = advice_for(result.name)
    return {**found, "why_it_matters": advice.why, "what_to_do": advice.remedy}


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif check my-project, or maestromotif check corridor")(check)
