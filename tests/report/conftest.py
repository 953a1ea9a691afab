"""A whole corridor project, made by the real phases in a few seconds, to report on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from maestromotif.agents import EvaluateConfig, Setting, evaluate_skills, evaluate_task
from maestromotif.agents.config import POLICIES
from maestromotif.bench.cells import BenchOrder, cells_of, play_cells
from maestromotif.bench.log import EpisodeLog
from maestromotif.bench.results import bench_results
from maestromotif.domains.corridor import Corridor
from maestromotif.feedback import AnnotateConfig, CollectConfig, annotate, collect
from maestromotif.llm.recorded import RecordedChat
from maestromotif.programs import ProgramConfig, write_programs, write_task_program
from maestromotif.report import ReportSources
from maestromotif.rewards import RewardConfig, fit
from maestromotif.rl import TrainConfig, train
from maestromotif.skills import SkillSet


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> ReportSources:
    """Made once; not to be changed."""
    torch.set_num_threads(1)
    domain = Corridor({"length": 7})
    skills = SkillSet.parse(domain.skills_toml)
    sources = ReportSources.standard(tmp_path_factory.mktemp("projects") / "small corridor", domain, skills)
    chat = RecordedChat(domain.recorded_answers)
    captions = sources.interactions / "captions.parquet"
    collect(domain, CollectConfig(steps=2_000, num_games=8, shard_steps=2_000), sources.interactions, 1)
    annotate(domain, skills, captions, AnnotateConfig(pairs=200), chat, sources.preferences, 1)
    fit(domain, skills, captions, sources.preferences, RewardConfig(), sources.rewards, 1)
    program = ProgramConfig(episodes=4)
    write_programs(domain, skills, chat, program, sources.programs, 1)
    task = domain.tasks["both_ends"]
    write_task_program(domain, skills, task.description, task.id, chat, program, sources.tasks / task.id, 1)
    config = TrainConfig(steps=12_000, games=16, workers=0, rollout=16, chunk=8, minibatch=128, features=16, hidden=16, tensorboard=False)
    train(domain, skills, sources.programs, sources.rewards, config, sources.training, 1)
    evaluate = EvaluateConfig(skill_episodes=12, task_episodes=12, max_steps=60, games=12, workers=0, permutations=999)
    setting = Setting(domain, skills, sources.programs, sources.training, sources.rewards, evaluate)
    evaluate_skills(setting, sources.evaluation)
    evaluate_task(setting, task.id, sources.tasks / task.id / f"{task.id}.py", sources.evaluation)
    _bench(setting, task.id, sources)
    return sources


def _bench(setting: Setting, task: str, sources: ReportSources) -> None:
    """Full episodes, some of which fail."""
    program = (sources.tasks / task / f"{task}.py").read_text(encoding="utf-8")
    order = BenchOrder("small corridor", {task: {"own": program}}, POLICIES, (1,), 12)
    log = EpisodeLog(sources.root / "artifacts" / "bench")
    play_cells(setting, order, log, lambda fraction, text: None)
    results = bench_results(sources.domain, [order], cells_of(setting, order), log.read())
    (log.path.parent / "results.json").write_text(json.dumps(results), encoding="utf-8")


@pytest.fixture
def project(made: ReportSources, tmp_path: Path) -> ReportSources:
    """A copy that a test may damage."""
    root = tmp_path / "my corridor"
    shutil.copytree(made.root, root)
    return ReportSources.standard(root, made.domain, made.skills)
