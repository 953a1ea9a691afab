"""Stages on request that say how far rewards can be trusted: what the trained policy meets, and what other annotators say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from maestromotif.errors import ConfigError, ProjectError
from maestromotif.feedback.annotators import annotator_names, check_annotator, is_costly, make_annotator
from maestromotif.feedback.asking import COMPARE, PROBE, ROUND, ask_about_all, preferences_path
from maestromotif.feedback.comparison import write_matrix
from maestromotif.feedback.interactions import CAPTIONS_FILE
from maestromotif.feedback.met import met_by, policy_pairs, read_counts
from maestromotif.feedback.pairs import Question, pairs_of_rows, sample_rows, skill_rng
from maestromotif.feedback.protocol import Annotator, AnnotatorContext
from maestromotif.feedback.rounds import Round, add_round
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.project import Project
from maestromotif.skills import Skill
from maestromotif.stages.card import Card
from maestromotif.stages.inputs import annotator_inputs, settings, skill_inputs
from maestromotif.stages.stage import Stage, Work

__all__ = ["compare_stage", "compared", "number_of_pairs", "plan_round", "policy_captions_stage", "requested_stages", "shift_stage"]

# For each skill, where answers cost nothing. For all others, the number of questions must be given.
_FREE_PAIRS = 500
_NO_PAIRS = np.zeros((0, 2), np.int64)


def number_of_pairs(names: Sequence[str], given: int | None, free: int = _FREE_PAIRS) -> int:
    """How many pairs to ask about for each skill.

    Raises:
        ConfigError: none was given, and an answer of one of these annotators costs something.
    """
    costly = [name for name in names if is_costly(name)]
    if given is None and costly:
        raise ConfigError(f"each answer of the annotator {costly[0]!r} costs something", "Say how many pairs with --pairs, for each skill")
    return free if given is None else given


def policy_captions_stage(steps: int) -> Stage:
    """Lets the trained skills play; ``steps`` over all games."""
    return Stage(
        "policy-captions",
        "lets the trained skills play and keeps the captions",
        ("train", "program"),
        partial(_policy_inputs, steps),
        partial(_keep_captions, steps),
        options={"steps": steps},
    )


def shift_stage(pairs: int) -> Stage:
    """Has pairs of what the trained skills met compared, for each skill; only to measure with."""
    return Stage(
        "shift",
        "has pairs of what the trained skills met compared",
        ("collect", "policy-captions"),
        partial(_shift_inputs, pairs),
        partial(_ask_about_policy, pairs),
        apart=False,
        replayable=True,
        options={"pairs": pairs},
    )


def compared(project: Project, names: str) -> list[str]:
    """The project's own annotator and those in a list with commas.

    Raises:
        ConfigError: an annotator is unknown or cannot be made; ``compare_options`` do not fit; there are fewer than two.
    """
    for name, options in project.config.annotate.compare_options.items():
        table = "annotate.compare_options"
        if name == project.config.annotate.annotator:
            raise ConfigError(f"[{table}] {name}: this is the project's own annotator", "Write its options under [annotate.options]")
        check_annotator(name, options, project.domain, project.skills, table, f"{table}.{name}")
    wanted = list(dict.fromkeys([project.config.annotate.annotator, *filter(None, map(str.strip, names.split(",")))]))
    for name in wanted:
        check_annotator(name, _options(project, name), project.domain, project.skills)
    if len(wanted) < 2:
        raise ConfigError("--compare names no other annotator than the project's own", f"Name one of {', '.join(annotator_names())}")
    return wanted


def compare_stage(names: Sequence[str], pairs: int) -> Stage:
    """Has the same pairs compared by several annotators, for each skill."""
    return Stage(
        "compare",
        f"has the same pairs compared by {', '.join(names)}",
        ("collect",),
        partial(_compare_inputs, names, pairs),
        partial(_compare, names, pairs),
        apart=False,
        replayable=True,
        options={"names": list(names), "pairs": pairs},
    )


def requested_stages(project: Project) -> list[Stage]:
    """Those of these stages that were done, as their artifacts say."""
    makers: dict[str, Callable[..., Stage]] = {"policy-captions": policy_captions_stage, "shift": shift_stage, "compare": compare_stage}
    cards = {stage_id: Card.read(project.folder(stage_id)) for stage_id in makers}
    return [makers[stage_id](**card.inputs["asked"]) for stage_id, card in cards.items() if card is not None]


def plan_round(project: Project, pairs: int) -> dict[str, int]:
    """Freeze a further round of questions about what the trained policy met, where the reward model's agreement fell.

    Args:
        pairs: for each skill.

    Returns:
        Questions by skill; empty, and nothing is written, if the agreement fell nowhere.

    Raises:
        ArtifactError: captions, answers or reward models are missing or damaged.
    """
    from maestromotif.rewards.shift import skill_shift

    domain = project.domain
    known = _answers(project)
    explorer = CaptionTable.load(project.folder("collect") / CAPTIONS_FILE, domain)
    policy = CaptionTable.load(project.folder("policy-captions") / CAPTIONS_FILE, domain)
    counts = read_counts(project.folder("policy-captions"))
    everything = explorer.merge(policy)
    chosen: dict[str, Any] = {}
    for skill, answers in known.items():
        met = met_by(policy, counts[skill.id])
        if skill_shift(domain, skill, project.folder("reward"), explorer, met, answers).fell:
            # What measures the agreement must not be learned from.
            measured = np.stack([answers.first_keys, answers.second_keys], axis=1)
            questions = policy_pairs(everything, met, skill, pairs, project.seed + ROUND, measured)
            chosen[skill.id] = np.array([question[1:] for question in questions], np.int64).reshape(-1, 2)
    if chosen:
        add_round(project.rounds, Round(policy, chosen), domain)
    return {skill: len(keys_P) for skill, keys_P in chosen.items()}


def _answers(project: Project) -> dict[Skill, PreferenceTable]:
    paths = {skill: preferences_path(project.folder("shift"), skill.id) for skill in project.skills}
    found = {skill: PreferenceTable.load(path, project.domain, skill.id) for skill, path in paths.items() if path.exists()}
    if not found:
        raise ProjectError(f"{project.root}: nothing is known of what the trained policy meets", f"Run `maestromotif shift {project.root}`")
    return found


def _keep_captions(steps: int, work: Work) -> Mapping[str, Any]:
    from maestromotif.agents.captions import keep_policy_captions
    from maestromotif.stages.catalogue import evaluation_setting

    project = work.project
    return {"steps": keep_policy_captions(evaluation_setting(project), work.out, steps, project.seed, work.progress)}


def _ask_about_policy(pairs: int, work: Work) -> Mapping[str, Any]:
    project = work.project
    domain = project.domain
    explorer = CaptionTable.load(project.folder("collect") / CAPTIONS_FILE, domain)
    policy = CaptionTable.load(project.folder("policy-captions") / CAPTIONS_FILE, domain)
    counts = read_counts(project.folder("policy-captions"))
    everything = explorer.merge(policy)

    def questions(skill: Skill) -> list[Question]:
        met = met_by(policy, counts.get(skill.id, {}))
        return policy_pairs(everything, met, skill, pairs, project.seed + PROBE, _NO_PAIRS)

    annotator = _annotator(work, project.config.annotate.annotator, everything, explorer)
    tables = ask_about_all(annotator, domain, project.skills, questions, work.out, work.progress)
    return {"annotator": annotator.id, "pairs": {skill: len(table) for skill, table in tables.items()}}


def _compare(names: Sequence[str], pairs: int, work: Work) -> Mapping[str, Any]:
    project = work.project
    captions = CaptionTable.load(project.folder("collect") / CAPTIONS_FILE, project.domain)

    def questions(skill: Skill) -> list[Question]:
        return pairs_of_rows(captions, sample_rows(captions, pairs, skill_rng(skill, project.seed + COMPARE)))

    tables = {}
    for number, name in enumerate(names):

        def report(fraction: float, text: str, done: int = number) -> None:
            work.progress((done + fraction) / len(names), text)

        annotator = _annotator(work, name, captions, captions)
        tables[name] = ask_about_all(annotator, project.domain, project.skills, questions, work.out, report, f"compare-{name}")
    write_matrix(work.out, tables)
    return {}


def _annotator(work: Work, name: str, captions: CaptionTable, shown: CaptionTable) -> Annotator:
    project = work.project
    config = project.config.annotate.model_copy(update={"annotator": name, "options": _options(project, name)})
    context = AnnotatorContext(project.domain, config, project.annotator(), captions, project.seed, shown=shown)
    return make_annotator(replace(context, home=project.artifacts / "annotators", aside=work.aside))


def _options(project: Project, name: str) -> Mapping[str, Any]:
    """The project's options are those of its own annotator; any other has those that ``compare_options`` gives it, or its defaults."""
    config = project.config.annotate
    return config.options if name == config.annotator else config.compare_options.get(name, {})


def _policy_inputs(steps: int, project: Project) -> Mapping[str, Any]:
    return {"asked": {"steps": steps}, "max_steps": project.config.evaluate.max_steps, "skills": skill_inputs(project, "max_steps")}


def _shift_inputs(pairs: int, project: Project) -> Mapping[str, Any]:
    return {"asked": {"pairs": pairs}, **_annotator_inputs(project)}


def _compare_inputs(names: Sequence[str], pairs: int, project: Project) -> Mapping[str, Any]:
    options = {name: dict(_options(project, name)) for name in names}
    return {"asked": {"names": list(names), "pairs": pairs}, "options": options, **_annotator_inputs(project)}


def _annotator_inputs(project: Project) -> Mapping[str, Any]:
    return {
        "annotate": settings(project.config.annotate, frozenset({"pairs", "compare_options"})),
        "annotator": annotator_inputs(project),
        "skills": skill_inputs(project, "preference_text"),
    }
