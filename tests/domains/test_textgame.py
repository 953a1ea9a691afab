"""The text house keeps the contract, plays by TextWorld's rules step by step, and tells commands by their words."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("textworld")

from maestromotif.domains.checks import DomainContract, check_domain
from maestromotif.domains.contract import ACTION_MASK, COMMANDS, Domain
from maestromotif.domains.registry import load_domain
from maestromotif.domains.textgame import TextHouse, vocabulary
from maestromotif.domains.textgame.env import TextEnv
from maestromotif.domains.textgame.house import ROOMS, THINGS, make_house
from maestromotif.domains.textgame.original import make_original
from maestromotif.domains.textgame.play import HAND, Play
from maestromotif.domains.textgame.rules import CELLAR, Fact, load_rules
from maestromotif.domains.textgame.scripts import AIMS, follow, makes_sense
from maestromotif.domains.textgame.telling import SLOTS, command_text, scene_words
from maestromotif.errors import ArtifactError, DomainError
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

CHAIN = (
    *("explore", "fetch_food", "put_down", "fetch_food", "cook_food", "eat", "fetch_key", "open_door", "serve"),
    *("explore", "fetch_treat", "put_down", "fetch_treat", "eat"),
)
IDLE = ("look", "inventory", "examine")  # what only tells, the observation tells anyway


class TestTextContract(DomainContract):
    def make_domain(self) -> Domain:
        return load_domain("textgame")


@pytest.mark.parametrize(
    ("array", "slot", "value", "why"),
    [(COMMANDS, (slice(None), 0), 0, "no words"), (COMMANDS, (0, 0, 0), 512, "outside"), (ACTION_MASK, (0, SLOTS - 1), 1, "no words")],
)
def test_the_contract_finds_commands_that_are_not_there(
    array: str, slot: Any, value: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = TextEnv._write

    def spoilt(env: TextEnv, game: int) -> None:
        write(env, game)
        env.observation[array][slot] = value

    monkeypatch.setattr(TextEnv, "_write", spoilt)
    (result,) = check_domain(TextHouse(), ["observations"])
    assert why in result.why


def _without_hands(facts: set[Fact]) -> set[Fact]:
    """Which of two hands is full makes no difference."""
    return {fact for fact in facts if not fact[1].startswith("hand")}


@pytest.mark.parametrize("seed", range(6))
def test_commands_and_facts_are_textworlds_own_step_by_step(seed: int) -> None:
    from textworld.generator.game import GameProgression
    from textworld.generator.inform7 import Inform7Game

    rules, house = load_rules(), make_house(seed)
    game = make_original(house)
    theirs, words, mine = GameProgression(game, track_quests=False), Inform7Game(game), Play(rules, house)
    rng, kinds = random.Random(seed), set()
    for _ in range(60):
        actions = [action for action in theirs.valid_actions if not action.name.startswith(IDLE)]
        commands = words.gen_commands_from_actions(actions)
        offered = {command_text(mine, deed.command): deed for deed in mine.scene.deeds}
        assert sorted(set(commands)) == list(offered)
        told = {(fact.name, *(one.name.removesuffix("_1") for one in fact.arguments)) for fact in theirs.state.facts}
        told = {fact for fact in told if fact[0] not in ("south_of", "east_of")}
        assert _without_hands(told) == _without_hands(rules.facts(mine.state))
        # Whatever is new, or else anything: so that a walk meets many rules.
        chosen = rng.choice([command for command in offered if offered[command].rule not in kinds] or list(offered))
        kinds.add(offered[chosen].rule)
        theirs.update(actions[commands.index(chosen)])
        mine.act(offered[chosen])
    assert len(kinds) >= 8


@pytest.mark.slow
def test_a_game_compiled_by_textworld_goes_the_same_way(tmp_path: Path) -> None:
    """The same house as a story file, played by the interpreter through all of a chain: the same rooms, the same commands."""
    import textworld
    from textworld.generator import compile_game
    from textworld.generator.game import GameOptions

    house = make_house(3)
    options = GameOptions()
    options.path = str(tmp_path / "house.z8")
    original = textworld.start(compile_game(make_original(house), options), textworld.EnvInfos(admissible_commands=True, description=True))
    state, mine = original.reset(), Play(load_rules(), house)
    rng, place = np.random.default_rng(0), 0
    while place < len(CHAIN):
        if not makes_sense(mine, CHAIN[place]):
            place += 1
            continue
        offered = [command_text(mine, deed.command) for deed in mine.scene.deeds]
        assert offered == [command for command in state["admissible_commands"] if not command.startswith(IDLE)]
        assert house.names[mine.scene.room] in state["description"].lower()
        action = follow(mine, CHAIN[place], rng)
        state, _, over = original.step(offered[action])
        mine.act(mine.scene.deeds[action])
        assert over == ("treat" in [thing for thing, at in zip(THINGS, mine.scene.places, strict=True) if at == "eaten"])
    assert over


def test_every_house_can_be_finished_by_rule_and_all_signs_are_met() -> None:
    games = 60
    env = TextEnv(games)
    env.reset(range(games), range(games))
    rng, place = np.random.default_rng(0), [0] * games
    met: set[str] = set()
    for _ in range(120):
        actions = []
        for game, play in enumerate(env.plays):
            while place[game] < len(CHAIN) and not makes_sense(play, CHAIN[place[game]]):
                place[game] += 1
            actions.append(follow(play, CHAIN[place[game]] if place[game] < len(CHAIN) else "", rng))
        env.step(np.array(actions, np.int64))
        for game in range(games):
            signs = env.reward_input(game).signs
            met |= {f"{spec.name}: {spec.values[sign]}" for spec, sign in zip(vocabulary.SIGNS, signs, strict=True) if sign}
    assert all(env.truth(game)["treat"] == env.truth(game)["food"] == "eaten" for game in range(games))
    rare = {"food: burned", "treat: cut", "food: cut"}
    assert met | rare >= {f"{spec.name}: {value}" for spec in vocabulary.SIGNS for value in spec.values[1:]}


def test_an_action_is_its_command_and_the_mask_says_how_many_there_are() -> None:
    env = TextEnv(8)
    env.reset(range(8), range(8))
    rng, most = np.random.default_rng(2), 0
    for _ in range(100):
        lengths = env.observation[ACTION_MASK].sum(1)
        most = max(most, int(lengths.max()))
        for game in range(8):
            commands = env.action_names(game)
            assert len(commands) == lengths[game] == len(set(commands))
            assert list(commands) == sorted(commands)
            words = (env.observation[COMMANDS][game] > 0).sum(1)
            assert (words[: len(commands)] >= [len(command.split()) for command in commands]).all()
            assert not words[len(commands) :].any()
        env.step(np.array([rng.integers(count) for count in lengths]))
    assert 8 < most <= SLOTS
    # A slot without a command does nothing but take time.
    before = [play.state for play in env.plays]
    env.step(np.full(8, SLOTS - 1))
    assert [play.state for play in env.plays] == before
    assert {env.facts(game).message for game in range(8)} == {"Nothing happens."}


def test_nothing_is_known_before_it_was_seen() -> None:
    env = TextEnv(1)
    rng = np.random.default_rng(0)
    hidden = 0
    for seed in range(40):
        env.reset([0], [seed])
        play = env.plays[0]
        inside = play.scene.places[0]
        if inside not in ("fridge", "chest") or inside not in play.scene.shut:
            continue
        hidden += 1
        while env.facts(0).key_at == "unseen":
            assert play.house.names["key"] not in " ".join(scene_words(play))
            env.step(np.array([follow(play, "explore", rng)]))
        assert f"You open the {play.house.names[inside]}. You see what is in it." in env.facts(0).message
        assert f"You see the {play.house.names['key']}." in env.facts(0).message
        assert env.facts(0).key_at != "hand"
    assert hidden > 2


def test_ways_are_told_with_the_command_that_leads_there() -> None:
    """Whoever follows the way to a thing gets there by as few moves as the map needs."""
    env = TextEnv(1)
    rng = np.random.default_rng(0)
    walked = 0
    for seed in range(20):
        env.reset([0], [seed])
        play = env.plays[0]
        while makes_sense(play, "explore"):
            env.step(np.array([follow(play, "explore", rng)]))
        for skill in ("fetch_food", "serve", "fetch_key"):
            rooms = [play.scene.room]
            while makes_sense(play, skill):
                env.step(np.array([follow(play, skill, rng)]))
                rooms += [play.scene.room] * (play.scene.room != rooms[-1])
            assert len(set(rooms)) == len(rooms)  # in a tree, the shortest way is the one without return
            walked += len(rooms) - 1
        assert env.facts(0).key_at == "hand"
    assert walked > 40


def test_facts_follow_what_is_done() -> None:
    env = TextEnv(1)
    env.reset([0], [1])
    play, rng = env.plays[0], np.random.default_rng(0)
    assert (env.facts(0).food, env.facts(0).treat_at, env.facts(0).free_hands) == ("raw", "unseen", 2)
    for skill in ("explore", "fetch_food"):
        while makes_sense(play, skill):
            env.step(np.array([follow(play, skill, rng)]))
    held = env.facts(0)
    assert (held.food_at, held.free_hands, held.taken, held.door) == ("hand", 1, 1, "locked")
    while makes_sense(play, "cook_food"):
        env.step(np.array([follow(play, "cook_food", rng)]))
    assert (env.facts(0).food, env.facts(0).room, env.truth(0)["cooked"]) == ("cooked", "kitchen", True)
    stove = [command.startswith("cook") for command in env.action_names(0)].index(True)
    env.step(np.array([stove]))
    assert (env.facts(0).food, env.truth(0)["cooked"]) == ("burned", False)
    assert "You burn the" in env.facts(0).message
    assert not makes_sense(play, "eat")
    while makes_sense(play, "serve"):
        env.step(np.array([follow(play, "serve", rng)]))
    assert (env.facts(0).food_on_table, env.facts(0).put_on_table, env.facts(0).put_away) == (True, 1, 1)
    assert held.food_at == "hand"


def test_houses_differ_and_the_cellar_is_behind_the_locked_door() -> None:
    houses = [make_house(seed) for seed in range(300)]
    assert len({(frozenset(house.names.items()), house.facts) for house in houses}) == 300
    for house in houses:
        assert [way.door for way in house.exits[CELLAR].values()] == ["locked_door"]
        assert sum(len(ways) for ways in house.exits.values()) == 2 * (len(ROOMS) - 1)
        assert not any(fact[1] == "key" and fact[-1] in (CELLAR, "rack") for fact in house.facts)


def test_criteria_want_the_landmarks_in_order() -> None:
    tasks = TextHouse().tasks
    here: dict[str, Any] = {"key": "r1", "food": "fridge", "treat": "rack", "knife": "r1", "door_open": False, "cooked": False}
    criterion = tasks["dinner_treat"].criteria["landmark"]()
    trail: list[dict[str, Any]] = [{"treat": "eaten"}, {"cooked": True, "food": HAND}, {"food": "eaten"}]
    assert [criterion.update(None, here | change) for change in trail] == [False, False, False]
    assert criterion.update(None, here | {"food": "eaten", "treat": "eaten"})
    table = tasks["table_set"].criteria["landmark"]()
    assert not table.update(None, here | {"food": "table", "treat": "table"})
    assert table.update(None, here | {"food": "table", "treat": "table", "cooked": True})


def test_ground_truth_scores_the_aim_of_every_shipped_skill() -> None:
    domain = TextHouse()
    ids = SkillSet.parse(domain.skills_toml).ids
    assert set(AIMS) == set(ids)
    for skill in ids:
        assert domain.caption_score(skill, RewardInput("", (0,) * len(vocabulary.SIGNS))) == 0.0
    put = vocabulary.tell(vocabulary.Event("put", ("key", "table"), ("brass key", "table"))).caption
    assert put.text == "Message: You put the brass key on the table.\nChanges: hand: put away key; place: table"
    assert [domain.caption_score(skill, put.reward_input) for skill in ("serve", "put_down", "other")] == [1.0, 0.0, None]


def test_a_recorded_episode_is_pages_of_text(tmp_path: Path) -> None:
    env, plain = TextEnv(2), TextEnv(2)
    for one in (env, plain):
        one.reset([0, 1], [7, 8])
    frame = env.record(1, tmp_path)
    shown = []
    for one in (env, plain):
        one.reset([0, 1], [3, 4])
    for step in range(12):
        facts = env.facts(1)
        assert frame() == step
        shown.append((facts.message, facts.room, env.action_names(1)))
        for one in (env, plain):
            one.step(np.array([0, step % len(one.action_names(1))]))
    assert all(np.array_equal(env.observation[name], plain.observation[name]) for name in env.observation)  # recording changes nothing
    env.reset([1], [5])
    env.close()
    screens = ["\n".join(bytes(row).decode("latin-1").rstrip() for row in one.chars_HW) for one in TextHouse().screens(tmp_path)]
    assert len(screens) == 13
    for screen, (message, room, commands) in zip(screens, shown, strict=False):
        assert " ".join(message.split()) in " ".join(screen.split())
        assert room.capitalize() in screen
        assert all(f"> {command}" in screen for command in commands)
    (tmp_path / "pages.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"pages\.jsonl"):
        list(TextHouse().screens(tmp_path))


def test_options_are_refused_and_a_missing_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"\[domain\]"):
        TextHouse({"rooms": 5})
    (tmp_path / "textworld.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from maestromotif.domains.registry import load_domain;"
        "domain = load_domain('textgame'); print(len(domain.tasks)); domain.make_env(1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "11\n"
    assert "the domain textgame needs TextWorld" in done.stderr


def test_the_same_seed_gives_the_same_house_in_another_process() -> None:
    program = (
        "import zlib; from maestromotif.domains.textgame.env import TextEnv; env = TextEnv(3); env.reset(range(3), [5, 6, 7]);"
        "print(zlib.crc32(b''.join(array.tobytes() for array in env.observation.values())), env.action_names(1))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    env = TextEnv(3)
    env.reset(range(3), [5, 6, 7])
    assert other.stdout == f"{zlib.crc32(b''.join(array.tobytes() for array in env.observation.values()))} {env.action_names(1)}\n"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_skills_from_feedback_alone_solve_composites_zero_shot(tmp_path: Path) -> None:
    """The whole pipeline, offline, with the recommended settings."""
    project = tmp_path / "house"

    def maestromotif(*arguments: str) -> None:
        done = subprocess.run([sys.executable, "-m", "maestromotif", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    maestromotif("init", str(project), "--domain", "textgame")
    tasks = ("dinner", "treat_served")
    settings = [f"evaluate.tasks={json.dumps(tasks)}", "evaluate.task_episodes=40", "evaluate.skill_episodes=8", "program.episodes=20"]
    maestromotif("run", str(project), *(word for setting in settings for word in ("--set", setting)))
    for task in tasks:
        results = json.loads((project / "artifacts" / "evaluation" / "tasks" / f"{task}.json").read_text(encoding="utf-8"))
        rates = {policy: found["success"]["landmark"]["rate"] for policy, found in results["policies"].items()}
        assert rates["trained"] >= 0.8, rates
        assert rates["random"] <= 0.3, rates
