"""The annotators beside judge and chat, on real captions of the corridor and of NetHack, and annotators of third parties."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maestromotif.domains import load_domain
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ConfigError
from maestromotif.feedback import AnnotateConfig, CaptionTable, CollectConfig, Judgement, PreferenceTable, SkillVerdicts, annotate, collect
from maestromotif.feedback.annotators import annotator_names, check_annotator
from maestromotif.feedback.annotators.ensemble import by_average, by_vote
from maestromotif.feedback.hashed import hashed_similarity
from maestromotif.feedback.pairs import make_pair
from maestromotif.llm import RecordedChat
from maestromotif.project import Project, init_project
from maestromotif.skills import SkillSet
from maestromotif.types import Caption, RewardInput, Verdict

DOMAIN = Corridor()
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
PAIR = make_pair(Caption("a", RewardInput("a", (0, 0))), Caption("b", RewardInput("b", (0, 0))))
F, S, T, U = Verdict.FIRST, Verdict.SECOND, Verdict.TIE, Verdict.UNPARSED


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    collect(DOMAIN, CollectConfig(steps=2000, num_games=4, shard_steps=2000), folder, 1)
    return folder / "captions.parquet"


def run(captions: Path, out: Path, annotator: str, seed: int = 1, **options: Any) -> tuple[SkillVerdicts, ...]:
    config = AnnotateConfig(annotator=annotator, options=options, pairs=30)
    return annotate(DOMAIN, SKILLS, captions, config, RecordedChat(DOMAIN.recorded_answers), out, seed)


def verdicts(out: Path, skill: str = "go_left") -> dict[str, Verdict]:
    return {row.pair: row.verdict for row in PreferenceTable.load(out / f"preferences-{skill}.parquet", DOMAIN, skill).preferences}


def test_lots_depend_on_seed_skill_and_pair_alone(captions: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run(captions, tmp_path / name, "random", seed, ties=0.3)
    first, again, other = (verdicts(tmp_path / name) for name in ("one", "again", "other"))
    assert first == again
    common = first.keys() & other.keys()
    assert any(first[pair] is not other[pair] for pair in common)
    assert any(first[pair] is not verdict for pair, verdict in verdicts(tmp_path / "one", "go_right").items() if pair in first)


@pytest.mark.parametrize(("ties", "expected"), [(0.0, 0), (1.0, 30)])
def test_the_share_of_ties(captions: Path, tmp_path: Path, ties: float, expected: int) -> None:
    assert run(captions, tmp_path, "random", ties=ties)[0].counts["tie"] == expected


def test_ground_truth_agrees_with_where_the_step_led(captions: Path, tmp_path: Path) -> None:
    run(captions, tmp_path, "ground-truth")
    table = CaptionTable.load(captions, DOMAIN)
    rows = table.rows()
    found = PreferenceTable.load(tmp_path / "preferences-go_left.parquet", DOMAIN, "go_left")
    decided = 0
    for row, one, other in zip(found.preferences, found.first_keys, found.second_keys, strict=True):
        moves = [table.reward_input(rows[int(key)]).signs[0] for key in (one, other)]
        if set(moves) == {1, 2}:
            assert row.verdict is (F if moves[0] == 1 else S)
            decided += 1
    assert decided > 5
    wide = run(captions, tmp_path / "wide", "ground-truth", margin=9.0)
    assert wide[0].counts["tie"] == 30


def test_ground_truth_refuses_skills_without_a_measure() -> None:
    skills = SkillSet.parse('[[skill]]\nid = "hop"\ndescription = "Hop."')
    with pytest.raises(ConfigError, match="no measure of progress for hop in the domain corridor"):
        check_annotator("ground-truth", {}, DOMAIN, skills)


_NETHACK = [
    ("descender", "", {"level": "deeper"}, {"new_squares": "many"}),
    ("descender", "", {}, {"level": "higher"}),
    ("ascender", "", {"level": "higher"}, {"stairs_up": "came into view"}),
    ("ascender", "", {"level": "left the dungeon"}, {"level": "deeper"}),
    ("discoverer", "", {"new_squares": "many"}, {"new_squares": "few"}),
    ("discoverer", "", {}, {"level": "deeper"}),
    ("discoverer", "You kill the newt!", {}, {"gold": "more"}),
    (
        "merchant",
        "You drop a pie. Gomel offers # gold pieces for your pie.  Sell it? [ynaq] (y)  You sold a pie for # gold pieces.",
        {},
        {},
    ),
    ("merchant", "", {"gold": "more", "items": "lost"}, {"gold": "more"}),
    ("worshipper", "There is a black flash as an emerald potion hits the altar.", {}, {"altar": "came into view"}),
    ("worshipper", "A food ration lands on the altar.", {}, {}),
    ("merchant", "", {}, {"alive": "died"}),
]


@pytest.mark.parametrize(("skill", "message", "better", "worse"), _NETHACK)
def test_nethack_measures_progress(skill: str, message: str, better: dict[str, str], worse: dict[str, str]) -> None:
    domain = load_domain("nethack")

    def score(text: str, changes: dict[str, str]) -> float:
        signs = tuple(spec.values.index(changes.get(spec.name, spec.values[0])) for spec in domain.sign_specs)
        found = domain.caption_score(skill, RewardInput(text, signs))
        assert found is not None
        return found

    assert score(message, better) > score("", worse)
    assert domain.caption_score("juggler", RewardInput("", (0,) * len(domain.sign_specs))) is None


def test_shared_words_decide_in_any_alphabet() -> None:
    texts = ["You reach the left end.", "You wait.", "Вы дошли до левого края", "你走到左端", "🏔️ 🐢", ""]
    for query, best in [("walk to the left end", 0), ("дойти до левого края", 2), ("走到左端", 3), ("🐢", 4)]:
        found = hashed_similarity(texts, query)
        assert int(np.argmax(found)) == best
        assert np.all((found >= 0) & (found <= 1 + 1e-9))
    assert not hashed_similarity(texts, "").any()
    assert hashed_similarity(texts, texts[0])[0] == pytest.approx(1.0)


def test_what_is_rare_among_captions_counts_most() -> None:
    texts = [f"gold did not change {number}" for number in range(50)] + ["an altar did not change"]
    found = hashed_similarity(texts, "gold altar")
    assert found[-1] > found[:-1].max()


def test_the_built_in_embedding_is_a_weak_baseline_that_works(captions: Path, tmp_path: Path) -> None:
    results = run(captions, tmp_path, "embedding", ties=0.2)
    assert "weak baseline" in results[0].warnings[0]
    assert 3 < results[0].counts["tie"] < 20
    run(captions, tmp_path / "truth", "ground-truth")
    ours, truth = verdicts(tmp_path), verdicts(tmp_path / "truth")
    decided = [pair for pair in ours if ours[pair].decided and truth[pair].decided]
    assert sum(ours[pair] is truth[pair] for pair in decided) > len(decided) / 2
    line = json.loads((tmp_path / "transcript-go_left.jsonl").read_text().splitlines()[1])
    assert len(line["scores"]) == 2


def told(verdict: Verdict, target: float | None = None, reason: str = "") -> Judgement:
    return Judgement(PAIR, verdict, target, reason)


@pytest.mark.parametrize(
    ("judgements", "vote", "average"),
    [
        ([told(F), told(F), told(S)], (F, None), (F, 2 / 3)),
        ([told(F), told(S)], (T, None), (T, 0.5)),
        ([told(F), told(U), told(U)], (F, None), (F, 1.0)),
        ([told(U), told(U)], (U, None), (U, None)),
        ([told(F, 0.6), told(F, 0.6), told(S, 0.1)], (F, None), (S, 1.3 / 3)),
        ([told(T), told(T), told(F)], (T, None), (F, 2 / 3)),
        ([told(F, 0.6), told(F, 0.6), told(S, 0.3)], (F, None), (F, 0.5)),
    ],
)
def test_rules_of_an_ensemble(judgements: list[Judgement], vote: Any, average: Any) -> None:
    assert by_vote(judgements)[:2] == vote
    verdict, target, _ = by_average(judgements)
    assert verdict is average[0]
    assert target == pytest.approx(average[1])


def test_when_all_abstain_the_reason_is_told() -> None:
    assert by_vote([told(U), told(U, reason="refused")]) == (U, None, "refused")


def test_an_ensemble_keeps_what_its_members_said(captions: Path, tmp_path: Path) -> None:
    members = [{"annotator": "judge"}, {"annotator": "ground-truth"}, {"annotator": "random", "options": {"ties": 0.0}}]
    members.append({"annotator": "random", "options": {"ties": 1.0}})
    run(captions, tmp_path / "all", "ensemble", members=members, rule="average")
    lines = [json.loads(line) for line in (tmp_path / "all" / "transcript-go_left.jsonl").read_text().splitlines()]
    names = ["judge", "ground-truth", "random", "random 2"]
    assert list(lines[0]["members"]) == names
    run(captions, tmp_path / "judge", "judge")
    run(captions, tmp_path / "random", "random", ties=0.0)
    for name in ("judge", "random"):
        alone = verdicts(tmp_path / name)
        assert all(Verdict(line["members"][name]["verdict"]) is alone[line["pair"]] for line in lines[1:])
    table = json.loads((tmp_path / "all" / "preferences-go_left.json").read_text())["agreement"]
    assert table["members"] == names
    pairs = [(line["members"]["judge"]["verdict"], line["members"]["random"]["verdict"]) for line in lines[1:]]
    assert table["same"][0][2] == table["same"][2][0] == pytest.approx(sum(one == other for one, other in pairs) / 30, abs=1e-4)
    assert [table["same"][place][place] for place in range(4)] == [1.0] * 4
    assert table["pairs"][0] == [30] * 4
    assert (tmp_path / "all" / "judge-go_left.py").exists()


_BAD = [
    ("rnadom", {}, ["[annotate] annotator", "'rnadom'", "did you mean 'random'"]),
    ("random", {"tie": 0.1}, ["[annotate.options] tie: unknown key", "did you mean 'ties'"]),
    ("random", {"ties": 2.0, "sides": 1}, ["[annotate.options] ties", "(got 2.0)", "[annotate.options] sides"]),
    ("judge", {"ties": 0.1}, ["[annotate.options] ties", "no options"]),
    ("ground-truth", {"margin": -1}, ["[annotate.options] margin"]),
    ("embedding", {"ties": "few"}, ["[annotate.options] ties"]),
    ("human", {"where": "phone"}, ["[annotate.options] where", "'terminal' or 'web'"]),
    ("ensemble", {"members": [{"annotator": "judge"}]}, ["[annotate.options] members"]),
    ("ensemble", {"members": [{"annotator": "judge"}, {"annotator": "embeding"}]}, ["members 2]", "did you mean 'embedding'"]),
    ("ensemble", {"members": [{"annotator": "judge"}, {"annotator": "random", "options": {"tie": 1}}]}, ["members 2.options] tie"]),
    ("ensemble", {"members": [{"annotator": "judge"}, {"annotator": "ensemble"}]}, ["an ensemble cannot be a member"]),
]


@pytest.mark.parametrize(("name", "options", "parts"), _BAD)
def test_mistakes_are_told_when_the_project_is_opened(tmp_path: Path, name: str, options: dict[str, Any], parts: list[str]) -> None:
    init_project(tmp_path, "corridor")
    table = ", ".join(f"{key} = {_toml(value)}" for key, value in options.items())
    with pytest.raises(ConfigError) as caught:
        Project.open(tmp_path, [f"annotate.annotator={name}", f"annotate.options={{ {table} }}"])
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'maestro.toml'}: [annotate")
    assert "\n" not in line
    assert all(part in line for part in parts), line


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def test_an_embedding_model_without_its_package_is_told_at_once() -> None:
    # In a process of its own that certainly lacks the package.
    code = (
        "import sys; sys.modules['sentence_transformers'] = None; import importlib.util as u; u.find_spec = lambda *a: None\n"
        "from maestromotif.feedback.annotators.embedding import EmbeddingAnnotator as E\n"
        "E.check(E.Options(model='some/model'), None, None)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'maestromotif[embedding]'" in result.stderr


PLUGIN = """
from pydantic import BaseModel
from maestromotif.feedback import Briefing, Judgement
from maestromotif.types import Verdict

class Longest:
    class Options(BaseModel, extra="forbid"):
        shortest: bool = False

    id = "longest"

    def __init__(self, context):
        self.sign = -1 if self.Options(**context.config.options).shortest else 1

    def brief(self, skill):
        return Briefing({"source": "length"})

    def annotate(self, skill, briefing, pairs):
        for pair in pairs:
            difference = self.sign * (len(pair.first.text) - len(pair.second.text))
            verdict = Verdict.TIE if difference == 0 else Verdict.FIRST if difference > 0 else Verdict.SECOND
            yield Judgement(pair, verdict, target=0.5 if difference == 0 else 0.9 if difference > 0 else 0.1)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution of somebody else's, installed into a folder of its own."""
    site = tmp_path / "site"
    info = site / "length_annotator-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "length_annotator.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: length-annotator\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[maestromotif.annotators]\nlongest = length_annotator:Longest\nbroken = length_annotator:Gone\n"
    )
    monkeypatch.syspath_prepend(str(site))
    return site


def test_an_annotator_of_somebody_elses(plugin: Path, captions: Path, tmp_path: Path) -> None:
    assert "longest" in annotator_names()
    run(captions, tmp_path / "out", "longest")
    table = CaptionTable.load(captions, DOMAIN)
    rows = table.rows()
    found = PreferenceTable.load(tmp_path / "out" / "preferences-go_left.parquet", DOMAIN, "go_left")
    for row, one, other, target in zip(found.preferences, found.first_keys, found.second_keys, found.targets(), strict=True):
        longer = len(table.texts[rows[int(one)]]) - len(table.texts[rows[int(other)]])
        assert row.verdict is (T if longer == 0 else F if longer > 0 else S)
        assert target == (0.5 if longer == 0 else 0.9 if longer > 0 else 0.1)


def test_an_annotator_of_somebody_elses_that_is_wrong(plugin: Path, tmp_path: Path) -> None:
    init_project(tmp_path / "project", "corridor")
    with pytest.raises(ConfigError, match=r"\[annotate.options\] shortes: unknown key \(did you mean 'shortest'"):
        Project.open(tmp_path / "project", ["annotate.annotator=longest", "annotate.options={ shortes = true }"])
    with pytest.raises(ConfigError, match="'broken' cannot be loaded"):
        Project.open(tmp_path / "project", ["annotate.annotator=broken"])
