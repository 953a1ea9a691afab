"""The coder loop against a scripted model: findings go back, the best program is kept, nothing good is overwritten by something bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ChatError, ProgramError
from maestromotif.llm import ChatReply, ChatRequest, RecordedChat
from maestromotif.programs import ProgramConfig, recheck, write_programs, write_task_program
from maestromotif.programs.generations import GENERATIONS_FILE, read_generations
from maestromotif.programs.requests import (
    assess_text,
    examiner_text,
    remark_text,
    repair_text,
    scenario_text,
    skill_question,
    system_text,
    task_question,
    training_question,
)
from maestromotif.programs.scenario import usual_facts
from maestromotif.skills import Skill, SkillSet

DOMAIN = Corridor({})
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
CONFIG = ProgramConfig(episodes=4, practice_ticks=30, max_ticks=120, seconds=20, scenarios=False, assess=False)
TASK = DOMAIN.tasks["both_ends"]
GOLDEN = Path(__file__).parent / "golden"


class ScriptedChat:
    """Answers from lists, by the request's name; keeps the requests."""

    id = "scripted"

    def __init__(self, **answers: list[str]) -> None:
        recorded = RecordedChat(DOMAIN.recorded_answers)
        self._recorded = recorded
        self._answers = {
            name.replace("__", "/").replace("training/policy", "training-policy"): list(texts) for name, texts in answers.items()
        }
        self.requests: list[ChatRequest] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        script = self._answers.get(request.name.removeprefix("corridor/"))
        if script is None:
            return self._recorded.complete(request)
        if not script:
            raise ChatError("the script has run out")
        return ChatReply(script.pop(0), model="scripted")


def _block(source: str) -> str:
    return f"Here it is.\n\n```python\n{source}\n```\n"


def _policy(body: str, done: str = "False") -> str:
    return _block(
        "class PolicyOverSkills:\n    def __init__(self):\n        self.left = False\n    def observe(self, facts):\n"
        "        self.left = self.left or facts.at_left_end\n"
        f"    def next_skill(self, facts, finished, startable):\n        {body}\n    def is_done(self, facts):\n        return {done}"
    )


GOOD = _policy("return 'go_right' if self.left and 'go_right' in startable else startable[0]", "self.left and facts.at_right_end")
IDLE = _policy("return startable[0]", "False")


def _write_task(chat: ScriptedChat, out: Path, **more: int) -> None:
    skills_program = (out.parent.parent / "programs" / "skills.py").read_text()
    write_task_program(DOMAIN, SKILLS, TASK.description, TASK.id, chat, CONFIG.model_copy(update=more), out, skill_program=skills_program)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``artifacts`` with the recorded programs of the corridor."""
    folder = tmp_path_factory.mktemp("project") / "artifacts"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MAESTROMOTIF_API_KEY", raising=False)
        write_programs(DOMAIN, SKILLS, RecordedChat(DOMAIN.recorded_answers), CONFIG, folder / "programs", seed=1)
    return folder


def test_recorded_programs_are_written_and_tried(written: Path) -> None:
    folder = written / "programs"
    assert sorted(path.name for path in folder.iterdir()) == ["skills.py", "training_policy.py", "transcript.jsonl", "trials.json"]
    trials = json.loads((folder / "trials.json").read_text())
    assert {name: entry["verdict"] for name, entry in trials["programs"].items()} == {
        "go_left": "good",
        "go_right": "good",
        "skills.py": "good",
        "training_policy.py": "good",
    }
    assert trials["warnings"] == []
    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["corridor/programs/go_left", "corridor/programs/go_right", "corridor/training-policy"]
    assert lines[0]["source"] == "recorded"
    assert "go_left_can_start" in (folder / "skills.py").read_text()


def test_writing_twice_gives_the_same_files(written: Path, tmp_path: Path) -> None:
    progress: list[float] = []
    chat = RecordedChat(DOMAIN.recorded_answers)
    write_programs(DOMAIN, SKILLS, chat, CONFIG, tmp_path / "programs", 1, lambda fraction, text: progress.append(fraction))
    for path in (written / "programs").iterdir():
        assert path.read_bytes() == (tmp_path / "programs" / path.name).read_bytes()
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_findings_go_back_until_the_program_is_good(written: Path) -> None:
    forbidden = _block("import os\nclass PolicyOverSkills:\n    pass")
    chat = ScriptedChat(task__both_ends=["I am not sure.", forbidden, GOOD])
    out = written / "tasks" / "repaired"
    _write_task(chat, out)
    assert "startable[0]" in (out / "both_ends.py").read_text()
    asked = [request.messages[-1].content for request in chat.requests]
    assert len(asked) == 3
    assert "the answer holds no Python program that defines PolicyOverSkills" in asked[1]
    assert "both_ends.py:1: the module 'os' is not available" in asked[2]
    assert [len(request.messages) for request in chat.requests] == [2, 4, 6]
    assert len({request.seed for request in chat.requests}) == 3
    entry = json.loads((out / "trials.json").read_text())["programs"]["both_ends.py"]
    assert (entry["verdict"], entry["rounds"], entry["success"]["landmark"]) == ("good", 3, 1.0)


def test_the_trace_of_a_failing_episode_goes_back(written: Path) -> None:
    chat = ScriptedChat(task__both_ends=[IDLE, GOOD])
    _write_task(chat, written / "tasks" / "traced")
    repair = chat.requests[1].messages[-1].content
    assert "is_done did not say True though the task was accomplished" in repair
    assert "A typical simulated episode:\nsteps 0-" in repair


def test_the_best_of_three_is_kept_with_an_honest_verdict(written: Path) -> None:
    worse = _policy("return 'nowhere'")
    chat = ScriptedChat(task__both_ends=[worse, IDLE, worse.replace("nowhere", "elsewhere")])
    out = written / "tasks" / "best"
    _write_task(chat, out)
    trials = json.loads((out / "trials.json").read_text())
    assert trials["programs"]["both_ends.py"]["verdict"] == "weak"
    assert trials["warnings"]
    assert "nowhere" not in (out / "both_ends.py").read_text()


def test_a_model_that_repeats_itself_is_not_asked_again(written: Path) -> None:
    chat = ScriptedChat(task__both_ends=[IDLE, IDLE, GOOD])
    _write_task(chat, written / "tasks" / "stubborn")
    assert len(chat.requests) == 2


def test_a_usable_program_survives_a_failing_endpoint(written: Path) -> None:
    out = written / "tasks" / "cut"
    _write_task(ScriptedChat(task__both_ends=[IDLE]), out)
    assert any("an earlier program is kept" in warning for warning in json.loads((out / "trials.json").read_text())["warnings"])
    with pytest.raises(ChatError):
        _write_task(ScriptedChat(task__both_ends=["nothing"]), written / "tasks" / "never")
    assert not (written / "tasks" / "never").exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_policy("return 'fly'"), r"both_ends\.py: next_skill: names an unknown skill 'fly'; known: go_left, go_right"),
        (_policy("return open('x')"), r"both_ends\.py:7: the name 'open' is not available"),
        (_policy("while True: pass"), r"both_ends\.py: next_skill: OutOfFuel.*\(line 7\)"),
        (
            _block("class PolicyOverSkills:\n    def next_skill(self, facts):\n        return 'go_left'"),
            r"both_ends\.py:2: next_skill must take 3",
        ),
        (_block("def f(:"), r"both_ends\.py:1: not valid Python"),
        ("no program", r"both_ends\.py:1: the answer holds no Python program"),
    ],
)
def test_a_program_that_never_works_is_an_error_and_nothing_is_written_over(written: Path, answer: str, words: str) -> None:
    out = written / "tasks" / "kept"
    out.mkdir(parents=True, exist_ok=True)
    (out / "both_ends.py").write_text("# mine\n")
    with pytest.raises(ProgramError, match=words) as caught:
        _write_task(ScriptedChat(task__both_ends=[answer] * 3), out, rounds=3)
    assert "corridor/task/both_ends" in caught.value.remedy
    assert [path.name for path in out.iterdir()] == ["both_ends.py"]
    assert (out / "both_ends.py").read_text() == "# mine\n"


def test_lines_of_a_skill_program_are_those_of_the_answer(tmp_path: Path) -> None:
    bad = _block("LIMIT = 1\n\ndef can_start(facts):\n    return True\n\ndef is_over(facts, start):\n    return facts.steps / 0 > 1")
    chat, log = ScriptedChat(programs__go_left=[bad, bad]), tmp_path / "llm" / GENERATIONS_FILE
    with pytest.raises(ProgramError, match=r"go_left\.py: is_over\(go_left\): ZeroDivisionError.*\(line 7\)"):
        write_programs(DOMAIN, SKILLS, chat, CONFIG, tmp_path / "out", log=log)
    assert not (tmp_path / "out").exists()
    (line,) = read_generations(tmp_path)
    (problem,) = line["layers"]["contract"]["problems"]
    assert problem.startswith("go_left.py: is_over(go_left): ZeroDivisionError: division by zero (line 7)")
    assert line["layers"]["contract"]["verdict"] == "refused"


def test_a_skill_without_a_recorded_answer_is_handled_with_a_warning(tmp_path: Path) -> None:
    skills = SkillSet((*SKILLS, Skill("dance", "Dance in the dark.", max_steps=9)))
    result = write_programs(DOMAIN, skills, RecordedChat(DOMAIN.recorded_answers), CONFIG, tmp_path)
    assert any("'dance': no program is recorded" in warning for warning in result.warnings)
    assert '"dance": dance_can_start' in (tmp_path / "skills.py").read_text()
    assert result.trials["training_policy.py"].calls["dance"]


def test_a_task_without_an_answer_says_what_to_configure(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"\[coder\]"):
        write_task_program(DOMAIN, SKILLS, "Do a handstand.", None, RecordedChat(DOMAIN.recorded_answers), CONFIG, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_task_in_other_words_is_judged_by_its_own_claim(written: Path) -> None:
    out = written / "tasks" / "free"
    result = write_task_program(DOMAIN, SKILLS, "Go left; then right!", None, ScriptedChat(task__go_left_then_right=[GOOD]), CONFIG, out)
    assert result.files == (out / "go_left_then_right.py",)
    assert result.trials["go_left_then_right.py"].score == 1.0


def test_programs_edited_by_hand_are_checked_again_and_marked(written: Path, tmp_path: Path) -> None:
    for path in (written / "programs").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    skills = tmp_path / "skills.py"
    skills.write_text(skills.read_text() + "\n# by hand\n")
    recheck(DOMAIN, SKILLS, CONFIG, tmp_path)
    programs = json.loads((tmp_path / "trials.json").read_text())["programs"]
    assert programs["skills.py"]["edited"] is True
    assert programs["go_left"]["edited"] is False
    trials = (tmp_path / "trials.json").read_bytes()
    for edit, words in [
        ("\nimport os\n", r"skills\.py:\d+: the module 'os'"),
        ("\ndef can_start(skill, facts):\n    return 1\n", r"skills\.py: can_start\(go_left\): TypeError"),
        ("\nwhile True: pass\n", r"skills\.py: fails while it is loaded: OutOfFuel"),
    ]:
        original = skills.read_text()
        skills.write_text(original + edit)
        with pytest.raises(ProgramError, match=words):
            recheck(DOMAIN, SKILLS, CONFIG, tmp_path)
        skills.write_text(original)
    assert (tmp_path / "trials.json").read_bytes() == trials
    with pytest.raises(ProgramError, match="holds no program"):
        recheck(DOMAIN, SKILLS, CONFIG, tmp_path / "empty")


_ALL_PROMPTS = ["system", "skill", "training", "task", "repair", "examiner", "scenario_skill", "scenario_task", "assess", "remark"]


@pytest.mark.parametrize("name", _ALL_PROMPTS)
def test_prompts_are_as_recorded(name: str) -> None:
    """After a deliberate change of a prompt, delete its golden file, run the test, and read the new one."""
    text = {
        "system": lambda: system_text(DOMAIN, 20_000),
        "skill": lambda: skill_question(DOMAIN, SKILLS["go_left"]).text,
        "training": lambda: training_question(DOMAIN, SKILLS).text,
        "task": lambda: task_question(DOMAIN, SKILLS, TASK.description, TASK.id).text,
        "repair": lambda: repair_text(100, ("a.py:3: a rule", "another"), ("steps 0-3 go_left: go_left is over", "end")),
        "examiner": lambda: examiner_text(DOMAIN),
        "scenario_skill": lambda: scenario_text(skill_question(DOMAIN, SKILLS["go_left"]), usual_facts(DOMAIN)),
        "scenario_task": lambda: scenario_text(task_question(DOMAIN, SKILLS, TASK.description, TASK.id), usual_facts(DOMAIN)),
        "assess": lambda: assess_text(skill_question(DOMAIN, SKILLS["go_left"]), "x = 1\n", 100, ("a doubt",), ("steps 0-3", "end")),
        "remark": lambda: remark_text("Shorter, please."),
    }[name]()
    path = GOLDEN / f"{name}.txt"
    if not path.exists():
        path.write_text(text + "\n")
        pytest.fail(f"{path} was missing and has been written; read it")
    assert text + "\n" == path.read_text()
    assert "{{" not in text
