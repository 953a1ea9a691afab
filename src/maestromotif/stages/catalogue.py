"""The stages of a project, in the order in which data flows. Each function below calls one phase and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestromotif.project import Project
from maestromotif.stages.bench import bench_stage
from maestromotif.stages.card import Card
from maestromotif.stages.files import file_digest
from maestromotif.stages.inputs import annotator_inputs, model_inputs, settings, skill_inputs
from maestromotif.stages.insight import policy_captions_stage, requested_stages
from maestromotif.stages.pretrained import pretrained_stages
from maestromotif.stages.rate import RATE, rate_stage
from maestromotif.stages.record import record_stage
from maestromotif.stages.repair import RepairPlan, program_in_use, repair_stage, repaired, witness_stage
from maestromotif.stages.simulator import simulator_inputs, simulator_stage
from maestromotif.stages.stage import OPEN, Stage, Work

if TYPE_CHECKING:
    from maestromotif.agents import Setting
    from maestromotif.programs.attempt import Attempt
    from maestromotif.programs.config import ProgramConfig
    from maestromotif.programs.requests import Question
    from maestromotif.programs.review import Decision, Review

__all__ = [
    "ancestors",
    "evaluation_setting",
    "evaluation_stages",
    "generation_stage",
    "named_task",
    "repair_stages",
    "report_stage",
    "reviewed_program_stage",
    "solve_stage",
    "solve_stages",
    "solved_stages",
    "stage_by_id",
    "stages",
    "task_stage",
    "training_stages",
]

# Settings of [train] that say how the work is done, not what comes out; steps is the goal.
_TRAIN_HOW = frozenset(
    {"steps", "schedule_file", "workers", "patience", "restarts", "threads", "device", "checkpoint_seconds", "tensorboard", "log"}
)
# Annotators whose verdicts cost nothing to have again; an ensemble or another's annotator may hold verdicts that did.
_REPLAYED = frozenset({"judge", "chat", "random", "ground-truth", "embedding", "human"})
_COMPARES = "compares pairs of captions for each skill"
_ANNOTATE_HOW = frozenset({"concurrency", "compare_options"})
_EVALUATE_HOW = frozenset({"workers"})
# More candidates than before are a goal; fewer change nothing.
_PROGRAM_HOW = frozenset({"candidates"})


def _collect(work: Work) -> Mapping[str, Any]:
    from maestromotif.feedback import collect

    project = work.project
    collect(project.domain, project.config.collect, work.out, project.seed, work.progress)
    return {}


def _annotate(work: Work) -> Mapping[str, Any]:
    from maestromotif.feedback import annotate
    from maestromotif.feedback.rounds import load_rounds

    project = work.project
    captions = project.folder("collect") / "captions.parquet"
    chat = project.annotator()
    how = (project.config.annotate, chat, work.out, project.seed, work.progress, project.artifacts / "annotators", work.aside)
    results = annotate(project.domain, project.skills, captions, *how, rounds=load_rounds(project.rounds, project.domain))
    _warn(work, *(result.warnings for result in results))
    failed = sum(result.failed for result in results)
    verdicts = {result.skill: result.counts for result in results}
    return {"model": chat.id, "verdicts": verdicts, **({OPEN: failed} if failed else {})}


def _reward(work: Work) -> Mapping[str, Any]:
    from maestromotif.rewards import fit

    project = work.project
    captions = project.captions
    preferences = project.folder("annotate")
    results = fit(project.domain, project.skills, captions, preferences, project.config.reward, work.out, project.seed, work.progress)
    _warn(work, *(result.warnings for result in results))
    return {"held-out agreement": {result.skill: None if math.isnan(result.agreement) else result.agreement for result in results}}


def _program(work: Work, review: Review | None = None) -> Mapping[str, Any]:
    from maestromotif.programs import write_programs

    project = work.project
    coder = project.coder()
    how = (project.config.program, work.out, project.seed, work.progress)
    asked = None if review is None else partial(_aside, work, review)
    result = write_programs(project.domain, project.skills, coder, *how, review=asked, log=_generations(project))
    _warn(work, result.warnings)
    return {"model": coder.id}


def _aside(work: Work, review: Review, question: Question, attempt: Attempt, told: str) -> Decision:
    with work.aside():
        return review(question, attempt, told)


def _generations(project: Project) -> Path:
    """Where every program that is written leaves a line."""
    from maestromotif.programs.generations import GENERATIONS_FILE

    return project.calls / GENERATIONS_FILE


def _task(task_id: str, text: str, generation: int | None, work: Work) -> Mapping[str, Any]:
    from maestromotif.programs import write_task_program

    project = work.project
    coder = project.coder(generation)
    result = write_task_program(
        project.domain,
        project.skills,
        text,
        task_id,
        coder,
        _program_config(project, generation),
        work.out,
        project.seed,
        work.progress,
        skill_program=(project.folder("program") / "skills.py").read_text(encoding="utf-8"),
        log=_generations(project),
    )
    _warn(work, result.warnings)
    return {"model": coder.id, "task": text}


def _recheck(project: Project, folder: Path) -> None:
    from maestromotif.programs import recheck

    # A task's program is tried with the skills' program, which lies elsewhere.
    skills = None if folder == project.folder("program") else (project.folder("program") / "skills.py").read_text(encoding="utf-8")
    recheck(project.domain, project.skills, project.config.program, folder, project.seed, skill_program=skills)


def _warn(work: Work, *warnings: Sequence[str]) -> None:
    for text in chain.from_iterable(warnings):
        work.warn(text)


def _train(work: Work) -> Mapping[str, Any]:
    from maestromotif.rl import train
    from maestromotif.rl.distributed import open_ranks

    project = work.project
    programs, rewards = project.folder("program"), project.folder("reward")
    config = project.config.train
    with open_ranks(config.device) as ranks:
        how = (config, work.out, project.seed, work.progress)
        train(project.domain, project.skills, programs, rewards, *how, home=project.root, ranks=ranks)
    return {}


def evaluation_setting(project: Project) -> Setting:
    """Where the trained network, its programs and its rewards lie."""
    from maestromotif.agents import Setting

    return Setting(
        domain=project.domain,
        skills=project.skills,
        programs=project.folder("program"),
        training=project.folder("train"),
        rewards=project.folder("reward"),
        config=project.config.evaluate,
    )


def _evaluate(work: Work) -> Mapping[str, Any]:
    from maestromotif.agents import evaluate_skills, evaluate_tasks

    project = work.project
    setting = evaluation_setting(project)
    programs = {task: project.folder(f"task:{task}") / f"{task}.py" for task in _tasks(project)}
    # Skills and tasks are all cells of the same size, so the progress is shared by their number.
    share = 1 / (1 + len(programs))
    evaluate_skills(setting, work.out, lambda fraction, text: work.progress(share * fraction, text))
    evaluate_tasks(setting, programs, work.out, lambda fraction, text: work.progress(share + (1 - share) * fraction, text))
    return {}


def _solve(task: str, text: str, episodes: int, work: Work) -> Mapping[str, Any]:
    from maestromotif.agents import evaluate_task

    project = work.project
    setting = evaluation_setting(project)
    how: dict[str, Any] = {"description": text, "episodes": episodes, "repaired": repaired(project, task)}
    evaluate_task(setting, task, program_in_use(project, task), work.out, work.progress, **how)
    return {}


def _report(work: Work) -> Mapping[str, Any]:
    from maestromotif.report import ReportSources, write_report

    project = work.project
    budgets = {"coder": project.config.coder.budget, "annotator": project.config.annotator.budget}
    write_report(ReportSources.standard(project.root, project.domain, project.skills, budgets=budgets), project.config.report, work.out)
    return {}


def stages(project: Project) -> list[Stage]:
    """All stages of ``run``, parents first."""
    return [*training_stages(project), *evaluation_stages(project), report_stage(project)]


def training_stages(project: Project) -> list[Stage]:
    """From play to the trained network, or from the package's trained skills."""
    if project.config.project.pretrained:
        return pretrained_stages(project, _recheck)
    # Stages that ask a language model stay in this process, which may hold its key; all others run apart from it.
    asks: dict[str, Any] = {"apart": False, "replayable": True}
    compares = {**asks, "replayable": project.config.annotate.annotator in _REPLAYED}
    return [
        Stage("collect", "plays the scripted explorer and keeps captions", (), _collect_inputs, _collect),
        Stage("annotate", _COMPARES, ("collect",), _annotate_inputs, _annotate, goal=_annotate_goal, **compares),
        Stage("reward", "fits a reward model to each skill's preferences", ("collect", "annotate"), _reward_inputs, _reward),
        Stage(
            "program",
            "has the skills' programs written and tried",
            (),
            _program_inputs,
            _program,
            goal=_program_goal,
            recheck=_recheck,
            **asks,
        ),
        Stage("train", "trains one network for all skills", ("reward", "program"), _train_inputs, _train, goal=_train_goal),
    ]


def reviewed_program_stage(project: Project, review: Review) -> Stage:
    """The stage ``program``, in which a person decides about each program."""
    return replace(stage_by_id(project, "program"), work=partial(_program, review=review))


def task_stage(project: Project, task_id: str, text: str) -> Stage:
    """The program for a task, one of the domain's or a person's own."""
    return Stage(
        f"task:{task_id}",
        "has a policy over skills written for the task and tried",
        ("program",),
        partial(_task_inputs, text, None),
        partial(_task, task_id, text, None),
        recheck=_recheck,
        apart=False,
        replayable=True,
    )


def generation_stage(project: Project, task_id: str, generation: int) -> Stage:
    """A further program for one of the domain's tasks, written independently of the project's own and kept beside it.

    Args:
        generation: see ``ProgramConfig``; the project's own is the stage ``task_stage``.
    """
    text = project.domain.tasks[task_id].description
    stage = task_stage(project, task_id, text)
    if generation == project.config.program.generation:
        return stage
    return replace(
        stage,
        id=f"generation:{generation}/{task_id}",
        inputs=partial(_task_inputs, text, generation),
        work=partial(_task, task_id, text, generation),
    )


def named_task(project: Project, text: str) -> tuple[str, str]:
    """Id and English of what a person asked for.

    Args:
        text: id, name or description of one of the domain's tasks, or any other task.
    """
    from maestromotif.agents import find_task, task_id

    known = find_task(project.domain, text)
    return task_id(project.domain, text), " ".join((known.description if known else text).split())


def solve_stages(project: Project, text: str, episodes: int) -> list[Stage]:
    """The program for a task in English, and playing it: the version in use, where one was repaired.

    Args:
        text: see ``named_task``.
        episodes: how many to play.
    """
    task, words = named_task(project, text)
    return [task_stage(project, task, words), solve_stage(project, task, words, episodes)]


def solve_stage(project: Project, task: str, text: str, episodes: int) -> Stage:
    """Playing a task whose program is up to date: in the version in use, where one was repaired."""
    return _solve_stage(task, text, episodes, repaired(project, task))


def repair_stages(project: Project, plan: RepairPlan) -> list[Stage]:
    """The program for a task in English, and its repair by real episodes."""
    return [task_stage(project, plan.task, plan.text), repair_stage(plan, _recheck)]


def _solve_stage(task: str, text: str, episodes: int, repaired: bool = False) -> Stage:
    asked = {"text": text, "episodes": episodes, **({"repaired": True} if repaired else {})}
    return Stage(
        f"solve:{task}",
        "plays the task with its repaired program" if repaired else "plays the task zero-shot",
        ("train", "program", "reward", f"task:{task}"),
        partial(_solve_inputs, task, asked),
        partial(_solve, task, text, episodes),
        options=asked,
    )


def _tasks(project: Project) -> tuple[str, ...]:
    return project.config.evaluate.tasks or tuple(project.domain.tasks)


def evaluation_stages(project: Project) -> list[Stage]:
    """Programs for the tasks of [evaluate], and playing them."""
    tasks = [task_stage(project, task_id, project.domain.tasks[task_id].description) for task_id in _tasks(project)]
    parents = ("train", "program", "reward", *(stage.id for stage in tasks))
    return [*tasks, Stage("evaluate", "plays the tasks zero-shot", parents, _evaluate_inputs, _evaluate)]


def report_stage(project: Project) -> Stage:
    """The page, from whatever there is."""
    made = (*training_stages(project), *evaluation_stages(project), *solved_stages(project), *requested_stages(project))
    repairs = (f"repair:{folder.name}" for folder in sorted((project.artifacts / "repaired").glob("[!.]*")) if Card.read(folder))
    parents = (*(stage.id for stage in made), *(repair for repair in repairs if not repair.endswith(".part")))
    return Stage("report", "writes the page", parents, _report_inputs, _report)


def solved_stages(project: Project) -> list[Stage]:
    """Tasks that were solved on request, as far as their artifacts still say which."""
    found = []
    for folder in sorted((project.artifacts / "solved").glob("[!.]*")):
        card = Card.read(folder)
        asked = card.inputs.get("solve", {}) if card else {}
        if card and card.status == "done" and {"text", "episodes"} <= set(asked):
            found.append(_solve_stage(folder.name, **asked))
    return found


def stage_by_id(project: Project, stage_id: str, options: Mapping[str, Any] | None = None) -> Stage:
    """One of the project's stages; ``options`` are the stage's own, if it has some.

    Raises:
        KeyError: there is none with this id.
    """
    if stage_id == "policy-captions":
        return policy_captions_stage(**(options or {}))
    if stage_id.startswith("solve:"):
        return _solve_stage(stage_id.removeprefix("solve:"), **(options or {}))
    if stage_id.startswith("witness:"):
        return witness_stage(**(options or {}))
    if stage_id == "fit-simulator":
        return simulator_stage(**(options or {}))
    if stage_id == "bench":
        return bench_stage(**(options or {}))
    if stage_id == "record":
        return record_stage(**(options or {}))
    if stage_id == RATE:
        return rate_stage()
    return {stage.id: stage for stage in stages(project)}[stage_id]


def ancestors(project: Project, stage: Stage) -> list[Stage]:
    """The stages that must be done before this one, parents first."""
    known = stages(project)
    needed = set(stage.parents)
    for candidate in reversed(known):
        if candidate.id in needed:
            needed.update(candidate.parents)
    return [candidate for candidate in known if candidate.id in needed]


def _collect_inputs(project: Project) -> Mapping[str, Any]:
    return {"collect": settings(project.config.collect)}


def _annotate_inputs(project: Project) -> Mapping[str, Any]:
    return {
        "annotate": settings(project.config.annotate, _ANNOTATE_HOW),
        "annotator": annotator_inputs(project),
        "skills": skill_inputs(project, "preference_text"),
    }


def _annotate_goal(project: Project) -> Mapping[str, int]:
    # Further rounds go on with a finished artifact, whose answers all stay. Where there are none, nothing is said of them.
    rounds = len(list(project.rounds.glob("[0-9]*")))
    return {"rounds": rounds} if rounds else {}


def _reward_inputs(project: Project) -> Mapping[str, Any]:
    return {"reward": settings(project.config.reward), "skills": skill_inputs(project, "threshold_quantile", "contrast")}


def _program_inputs(project: Project) -> Mapping[str, Any]:
    return {
        "program": settings(project.config.program, _PROGRAM_HOW),
        "coder": model_inputs(project, project.config.coder, "programs/", project.config.program.generation),
        "training policy": model_inputs(project, project.config.coder, "training-policy", project.config.program.generation),
        "skills": skill_inputs(project, "description", "max_steps"),
    }


def _program_goal(project: Project) -> Mapping[str, int]:
    return {"candidates": project.config.program.candidates}


def _program_config(project: Project, generation: int | None) -> ProgramConfig:
    """[program], with another generation unless that is None."""
    config = project.config.program
    return config if generation is None else config.model_copy(update={"generation": generation})


def _task_inputs(text: str, generation: int | None, project: Project) -> Mapping[str, Any]:
    config = _program_config(project, generation)
    return {
        "program": settings(config, _PROGRAM_HOW),
        "coder": model_inputs(project, project.config.coder, "task/", config.generation),
        "task": {"text": text},
        "skills": skill_inputs(project, "description", "max_steps"),
        **simulator_inputs(project),
    }


def _train_inputs(project: Project) -> Mapping[str, Any]:
    train = settings(project.config.train, _TRAIN_HOW)
    inputs = {"train": train, "skills": skill_inputs(project, "max_steps")}
    curriculum = {stage.id: {"place": place, **settings(stage)} for place, stage in enumerate(project.curriculum)}
    return {**inputs, "curriculum": curriculum} if curriculum else inputs


def _train_goal(project: Project) -> Mapping[str, int]:
    return {"steps": project.config.train.steps}


def _evaluate_inputs(project: Project) -> Mapping[str, Any]:
    return {"evaluate": settings(project.config.evaluate, _EVALUATE_HOW), "skills": skill_inputs(project, "max_steps", "measure")}


def _solve_inputs(task: str, asked: Mapping[str, Any], project: Project) -> Mapping[str, Any]:
    inputs = {**_evaluate_inputs(project), "solve": dict(asked)}
    if "repaired" in asked:
        # Not a parent: a repair that only learned that the old version stays changes nothing here.
        program = program_in_use(project, task)
        inputs["repaired program"] = {"digest": file_digest(program) if program.is_file() else ""}
    return inputs


def _report_inputs(project: Project) -> Mapping[str, Any]:
    # What commands outside the chain of stages have left is shown, too.
    beside = [*project.artifacts.glob("b*/results.json"), *project.artifacts.glob("recordings/*/*/card.json")]
    found = {str(path.relative_to(project.artifacts)): file_digest(path) for path in sorted(beside)}
    shown = {"beside": found} if found else {}
    return {"report": settings(project.config.report), "skills": skill_inputs(project, "description", "prefer", "measure"), **shown}
