"""One command for each phase: ``collect``, ``annotate``, ``reward``, ``program``, ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maestromotif.cli.calls import print_annotation
from maestromotif.cli.common import AgainOption, DryRunOption, ProjectArgument, SetOption, open_project, run_stages
from maestromotif.cli.failures import print_failures
from maestromotif.cli.insight import print_insight
from maestromotif.cli.shift import PairsOption, ask_from_policy, compare_annotators, tell_stale_training
from maestromotif.errors import ConfigError

__all__ = ["register"]


def collect(folder: ProjectArgument, again: AgainOption = False, settings: SetOption = None) -> None:
    """Phase 1a: play the scripted explorer and keep every distinct caption."""
    _phase(folder, "collect", again, settings)


def annotate(
    folder: ProjectArgument,
    again: AgainOption = False,
    dry_run: DryRunOption = False,
    compare: Annotated[
        str,
        typer.Option(metavar="NAME,NAME", help="Have pairs compared by these annotators as well; not trained on.", show_default=False),
    ] = "",
    from_policy: Annotated[
        bool, typer.Option("--from-policy", help="Ask further about what the trained policy met, where agreement fell.")
    ] = False,
    pairs: PairsOption = None,
    settings: SetOption = None,
) -> None:
    """Phase 1a: have pairs of captions compared for each skill.

    By a judge (a scoring program that a model wrote once) or by a language model, pair by pair. --pairs goes with --compare and
    --from-policy; otherwise [annotate] pairs says how many.
    """
    if sum((dry_run, bool(compare), from_policy)) > 1 or (pairs is not None and not (compare or from_policy)):
        problem = "--dry-run, --compare and --from-policy exclude each other, and --pairs needs one of the last two"
        raise ConfigError(problem, "Leave one of them out; for the number of pairs to train on, --set annotate.pairs=2000")
    if dry_run:
        _dry_run(folder, "annotate", settings)
    elif compare:
        compare_annotators(open_project(folder, settings), compare, pairs, again)
    elif from_policy:
        ask_from_policy(open_project(folder, settings), pairs)
    else:
        _phase(folder, "annotate", again, settings)
        print_annotation(open_project(folder, settings))


def reward(
    folder: ProjectArgument,
    again: AgainOption = False,
    inspect: Annotated[bool, typer.Option("--inspect", help="Show what the rewards came to be; fit nothing.")] = False,
    skill: Annotated[str, typer.Option(metavar="ID", help="With --inspect: this skill alone.", show_default=False)] = "",
    captions: Annotated[int, typer.Option(min=1, help="With --inspect: captions at each end, and contested pairs.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="With --inspect: as JSON.")] = False,
    curve: Annotated[bool, typer.Option("--curve", help="With --inspect: fit models to parts of the answers as well.")] = False,
    settings: SetOption = None,
) -> None:
    """Phase 1b: fit one reward model per skill to its preferences.

    With --inspect, see which captions earn most and least, where model and annotator disagree, and how far both can be trusted.
    """
    if inspect:
        print_insight(open_project(folder, settings), skill, captions, as_json, curve)
        return
    if skill or as_json or curve:
        raise ConfigError("--skill, --json and --curve go with --inspect", "Add --inspect")
    _phase(folder, "reward", again, settings)
    tell_stale_training(open_project(folder, settings))


def program(
    folder: ProjectArgument,
    again: AgainOption = False,
    dry_run: DryRunOption = False,
    candidates: Annotated[
        int | None,
        typer.Option(min=1, max=32, help="Answers to the first question about each program; the best goes on.", show_default=False),
    ] = None,
    review: Annotated[bool, typer.Option("--review", help="Show each program, and ask before it is kept; on a terminal only.")] = False,
    failures: Annotated[bool, typer.Option("--failures", help="Show how programs failed so far; write none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --failures: as JSON.")] = False,
    settings: SetOption = None,
) -> None:
    """Phases 2 and 3: have the skills' programs written and tried.

    These are initiation and termination of each skill, and the training policy over skills. The files lie in artifacts/programs
    and may be edited; the next command checks what you changed.
    """
    if sum((dry_run, review, failures)) > 1 or (as_json and not failures):
        raise ConfigError("--dry-run, --review and --failures exclude each other, and --json needs --failures", "Leave one of them out")
    settings = [*(settings or []), *([f"program.candidates={candidates}"] if candidates else [])]
    if failures:
        print_failures(open_project(folder, settings), as_json)
    elif dry_run:
        _dry_run(folder, "program", settings)
    elif review:
        _review(folder, settings)
    else:
        _phase(folder, "program", again, settings)


def _review(folder: Path, settings: list[str]) -> None:
    from maestromotif.cli.review import TerminalReview, need_terminal
    from maestromotif.stages.catalogue import reviewed_program_stage

    need_terminal()
    project = open_project(folder, settings)
    # What was answered lies in the store, so that doing it again costs nothing but the trials.
    run_stages(project, [reviewed_program_stage(project, TerminalReview())], again=True)


def train(
    folder: ProjectArgument,
    steps: Annotated[int | None, typer.Option(help="Environment steps in all; more than before goes on.", show_default=False)] = None,
    again: AgainOption = False,
    settings: SetOption = None,
) -> None:
    """Phase 4: train one network for all skills on their rewards.

    A larger number of steps than before goes on where the training stopped.
    """
    _phase(folder, "train", again, [*(settings or []), *([f"train.steps={steps}"] if steps else [])])


def _phase(folder: Path, stage_id: str, again: bool, settings: list[str] | None) -> None:
    from maestromotif.stages.catalogue import ancestors, stage_by_id, stages

    project = open_project(folder, settings)
    if project.config.project.pretrained and stage_id not in {known.id for known in stages(project)}:
        problem = f"{folder}: has trained skills of the package ([project] pretrained), so there is nothing to {stage_id}"
        raise ConfigError(problem, "Remove that line of maestro.toml to train skills of your own")
    stage = stage_by_id(project, stage_id)
    run_stages(project, [stage], ancestors(project, stage), again)


def _dry_run(folder: Path, stage_id: str, settings: list[str] | None) -> None:
    from maestromotif.stages.dry import would_ask

    for line in would_ask(open_project(folder, settings), stage_id):
        typer.echo(line)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif collect my-dungeon")(collect)
    app.command(epilog="Example: maestromotif annotate my-dungeon --set annotate.pairs=2000")(annotate)
    app.command(epilog="Example: maestromotif reward my-dungeon --again")(reward)
    app.command(epilog="Example: maestromotif program my-dungeon --dry-run")(program)
    app.command(epilog="Example: maestromotif train my-dungeon --steps 5000000")(train)
