"""Generations: independent sets of recorded programs, and what an endpoint is asked for a further one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import pytest

from maestromotif.domains import load_domain
from maestromotif.errors import ChatError
from maestromotif.llm import ChatRequest, RecordedChat
from maestromotif.llm.recorded import generations
from maestromotif.programs.answers import extract_program
from maestromotif.programs.assemble import assemble
from maestromotif.programs.coder import first_requests
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.requests import Question, task_question
from maestromotif.programs.shape import contract_problems
from maestromotif.programs.transcripts import transcripts
from maestromotif.programs.trial import expected_rate, run_trial
from maestromotif.programs.write import questions
from maestromotif.skills import SkillSet
from tests.domains.nethack_generations import GENERATIONS, NETHACK, SKILLS, skill_module, source_of, task_source

PAPER_TASKS = (
    *("gnomish_mines", "delphi", "minetown", "transactions", "price_identification", "buc_identification"),
    *("golden_exit", "level_up_and_sell", "discovery_hunger"),
)
ALIKE = 0.9  # programs whose shapes match to this degree are copies with other names


def _answer(folder: Path, name: str, subject: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = f'+++\nname = "{name}"\nsubject = "{subject}"\nmodel = "x"\n+++\n'
    (folder / f"{name.replace('/', '-').replace('*', 'any')}-{len(subject)}.md").write_text(head + text)


def _said(chat: RecordedChat, name: str, subject: str) -> str:
    return chat.complete(ChatRequest(name, (), subject)).text


def test_each_generation_has_its_own_answers_and_the_fallbacks_of_the_first(tmp_path: Path) -> None:
    _answer(tmp_path, "w/task/x", "slay", "first")
    _answer(tmp_path, "w/task/y", "rest", "only in the first")
    _answer(tmp_path, "w/task/*", "*", "for any text")
    before = RecordedChat([tmp_path]).id
    _answer(tmp_path / "generation-2", "w/task/x", "slay", "second")
    _answer(tmp_path / "generation-10", "w/task/x", "slay", "tenth")
    assert generations([tmp_path]) == (1, 2, 10)
    first, second, tenth = (RecordedChat([tmp_path], generation=number) for number in (1, 2, 10))
    assert [_said(chat, "w/task/x", "slay") for chat in (first, second, tenth)] == ["first", "second", "tenth"]
    assert [_said(chat, "w/task/y", "rest") for chat in (first, second)] == ["only in the first", "for any text"]
    # What was made with the first generation stays up to date.
    assert first.id == before
    assert len({first.id, second.id, tenth.id}) == 3


def test_a_generation_that_nobody_recorded_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "generation-2").mkdir()
    with pytest.raises(ChatError, match=r"\[program\] generation = 3: no such generation") as caught:
        RecordedChat([tmp_path], generation=3)
    assert "Choose one of 1, 2" in caught.value.remedy


def test_an_endpoint_is_asked_with_other_seeds_for_each_generation() -> None:
    question, variables = questions(NETHACK, SKILLS)[0]

    def seeds(generation: int) -> list[int | None]:
        config = ProgramConfig(generation=generation, candidates=32)
        return [request.seed for request in first_requests(question, variables, NETHACK, config, 5)]

    assert seeds(1)[0] == 5
    # No candidate of one generation, nor any of its rounds, has the seed of another.
    every = [seed + rounds for number in (1, 2, 3) for seed in seeds(number) if seed is not None for rounds in range(10)]
    assert len(set(every)) == 3 * 32 * 10


def test_the_first_generation_leaves_no_trace_in_fingerprints() -> None:
    assert "generation" not in ProgramConfig().model_dump(mode="json")
    assert ProgramConfig(generation=2).model_dump(mode="json")["generation"] == 2


def test_nethack_has_three_generations_of_everything() -> None:
    assert GENERATIONS == (1, 2, 3)
    for generation in GENERATIONS:
        chat = RecordedChat(NETHACK.recorded_answers, generation=generation)
        for question in _questions():
            answer = chat.find(question.name, question.subject)
            assert answer is not None
            assert answer.name == question.name
            assert (f"generation-{generation}" in answer.path) == (generation > 1)
            # A model gives its reasons before its code.
            assert len(answer.text.partition("```python")[0].split()) >= 10


def _questions() -> list[Question]:
    tasks = [task_question(NETHACK, SKILLS, NETHACK.tasks[task].description, task) for task in PAPER_TASKS]
    return [*(question for question, _ in questions(NETHACK, SKILLS)), *tasks]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_recorded_programs_are_allowed_and_complete(generation: int) -> None:
    for question in _questions():
        assert not contract_problems(source_of(question, generation), question, NETHACK), question.name


def _shape(source: str) -> list[str]:
    """The program's tree in preorder: kinds of nodes, with operators, constants and names of facts, but no names that its author chose."""
    facts = {spec.name for spec in NETHACK.fact_specs}

    def walk(node: ast.AST) -> Iterator[str]:
        yield type(node).__name__
        if isinstance(node, ast.Constant):
            yield repr(node.value)
        if isinstance(node, ast.Attribute) and node.attr in facts:
            yield node.attr
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    return list(walk(ast.parse(source)))


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, _shape(one), _shape(other), autojunk=False).ratio()


def test_generations_are_no_copies_of_each_other() -> None:
    for question in _questions():
        sources = [source_of(question, generation) for generation in GENERATIONS]
        for one, other in combinations(sources, 2):
            # Of the skills, the words leave little to choose.
            assert _alike(one, other) < (1.0 if "/programs/" in question.name else ALIKE), question.name


def test_the_measure_of_likeness_knows_a_renamed_copy() -> None:
    source = task_source("delphi", 1)
    assert _alike(source, source.replace("wrong_fork", "door").replace("looked", "tries")) == 1.0


def test_transcripts_are_up_to_date() -> None:
    folder = Path(__file__).parents[2] / "docs" / "transcripts" / "nethack"
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    assert written == transcripts(NETHACK), "make docs writes them anew"


def test_transcripts_hold_the_questions_and_every_answer() -> None:
    corridor = load_domain("corridor", {})
    pages = transcripts(corridor)
    skills = SkillSet.parse(corridor.skills_toml)
    assert set(pages) == {
        *("system.md", "training-policy.md", "task-both_ends.md", "task-three_crossings.md"),
        *(f"programs-{skill.id}.md" for skill in skills),
    }
    page = pages["task-both_ends.md"]
    assert corridor.tasks["both_ends"].description in page
    assert page.count("class PolicyOverSkills:") == 3  # the question's, and two answers
    assert "## Generation 2" in page


def test_a_task_that_counts_need_not_be_claimed() -> None:
    # "As many as you can" has no end; is_done of every recorded program says so.
    for criterion in NETHACK.tasks["transactions"].criteria.values():
        assert criterion().count == 0  # type: ignore[attr-defined]
    how = {"kind": "task", "config": ProgramConfig(episodes=10), "task_id": "transactions"}
    report = run_trial(NETHACK, SKILLS, skill_module(SKILLS, 2), task_source("transactions", 2), **how)  # type: ignore[arg-type]
    assert report.success["landmark"] > 0.5
    assert report.claimed == 0
    assert report.verdict == "good", report.weak


@pytest.mark.slow
@pytest.mark.parametrize("generation", GENERATIONS)
def test_trials_of_recorded_programs(generation: int) -> None:
    module = skill_module(SKILLS, generation)
    config = ProgramConfig(generation=generation)
    for skill in SKILLS:
        report = run_trial(NETHACK, SKILLS, module, None, kind="skill", config=config, tested=skill.id)
        assert report.verdict == "good", (skill.id, report.fatal, report.weak)
    policy = source_of(questions(NETHACK, SKILLS)[-1][0], generation)
    report = run_trial(NETHACK, SKILLS, module, policy, kind="training", config=config)
    assert report.verdict == "good", (report.fatal, report.weak)
    for task in PAPER_TASKS:
        report = run_trial(NETHACK, SKILLS, module, task_source(task, generation), kind="task", config=config, task_id=task)
        rate = expected_rate(report.expected["perfect"], "landmark", NETHACK.tasks[task].max_steps)
        assert report.verdict == "good", (task, report.fatal, report.weak)
        assert rate is not None
        assert rate >= 0.9, (task, rate)


def test_skill_programs_are_put_together_alike_in_every_generation() -> None:
    # Helpers of one answer must not collide with those of another.
    for generation in GENERATIONS:
        assert "def can_start(skill, facts)" in assemble(
            {question.name.rpartition("/")[2]: source_of(question, generation) for question, _ in questions(NETHACK, SKILLS)[:-1]}
        )


def test_answers_hold_one_program_each() -> None:
    for generation in GENERATIONS:
        chat = RecordedChat(NETHACK.recorded_answers, generation=generation)
        for question in _questions():
            text = chat.complete(ChatRequest(question.name, (), question.subject, variables={"skills": "", "subject": ""})).text
            assert text.count("```python") == 1
            assert extract_program(text, question.required) is not None
