"""``shift``, ``annotate --compare`` and ``annotate --from-policy``: what the trained policy meets, and what other annotators say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maestromotif.cli.common import AgainOption, ProjectArgument, SetOption, open_project, run_stages, this_command
from maestromotif.cli.display import make_display
from maestromotif.cli.insight import print_matrix, print_shift

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["PairsOption", "ask_from_policy", "compare_annotators", "register", "tell_stale_training"]

PairsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Pairs for each skill; needed where an answer costs something.", show_default=False),
]
_ROUND_PAIRS = 1_000


def shift(
    folder: ProjectArgument,
    steps: Annotated[int, typer.Option(min=1, help="Environment steps that the trained skills play, over all games.")] = 20_000,
    pairs: PairsOption = None,
    again: AgainOption = False,
    settings: SetOption = None,
) -> None:
    """See whether the rewards still hold where the trained policy goes.

    The trained skills play, the annotator compares pairs of the captions they meet, and the reward models' agreement with it is set beside
    that on the explorer's captions. Nothing is trained on these answers.
    """
    from maestromotif.stages.catalogue import training_stages
    from maestromotif.stages.insight import number_of_pairs, policy_captions_stage, shift_stage

    project = open_project(folder, settings)
    number = number_of_pairs([project.config.annotate.annotator], pairs)
    run_stages(project, [policy_captions_stage(steps), shift_stage(number)], training_stages(project), again)
    print_shift(project)


def compare_annotators(project: Project, names: str, pairs: int | None, again: bool) -> None:
    """Have the same pairs compared by the project's annotator and others, and show how much they agree."""
    from maestromotif.report.insight import read_matrix
    from maestromotif.stages.catalogue import ancestors
    from maestromotif.stages.insight import compare_stage, compared, number_of_pairs

    wanted = compared(project, names)
    stage = compare_stage(wanted, number_of_pairs(wanted, pairs))
    run_stages(project, [stage], ancestors(project, stage), again)
    found = read_matrix(project.artifacts)
    assert found is not None
    print_matrix(found)


def ask_from_policy(project: Project, pairs: int | None) -> None:
    """A further round of questions, about what the trained policy met; one that was begun goes on."""
    from maestromotif.stages.catalogue import stage_by_id, training_stages
    from maestromotif.stages.insight import number_of_pairs, plan_round, requested_stages
    from maestromotif.stages.runner import open_runner

    number = number_of_pairs([project.config.annotate.annotator], pairs, _ROUND_PAIRS)
    annotate = stage_by_id(project, "annotate")
    with make_display() as display, open_runner(project, this_command(), display) as runner:
        questions: dict[str, int] = {}
        begun = runner.plan(annotate).action in ("continue", "resume")
        if not begun:
            runner.require([*training_stages(project), *(stage for stage in requested_stages(project) if stage.id != "compare")])
            questions = plan_round(project, number)
        if begun or questions:
            runner.run([annotate])
    if not begun and not questions:
        typer.echo("The reward models agree with the annotator on what the trained policy meets; nothing was asked.")
        return
    asked = ", ".join(f"{count:,} about {skill}" for skill, count in questions.items())
    typer.echo(f"Asked {asked or 'the questions that were left'}. Next: maestromotif reward {project.root}")


def tell_stale_training(project: Project) -> None:
    """Say so if the rewards are no longer those that the training was made with."""
    from maestromotif.stages.card import Card

    training, rewards = Card.read(project.folder("train")), Card.read(project.folder("reward"))
    if training is not None and rewards is not None and training.inputs["parents"]["reward"] != rewards.identity:
        typer.echo(
            f"The training was made with other rewards: `maestromotif train {project.root}` begins it anew and keeps the present one in "
            "artifacts/old/training."
        )


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif shift my-dungeon --steps 50000")(shift)
