"""From play, recorded step by step, to the rates of the simulated dungeon.

Play is cut into windows: the steps of one call of a skill, at most ``TICK_STEPS``, ending where the level changes. A hazard is events by
steps at risk within a situation, pulled towards the skill's own rate over all situations where there are few steps, and that towards the
rate of all skills. Which level has a second staircase down is not always known; the rule that one of the levels 2-4 has it stands in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack.simulator import TICK_STEPS
from maestromotif.domains.nethack.simulator_rates import AGES, DEPTHS, HITS, HOSTILES, SHARES, Rates, SkillRates, World, bin_of
from maestromotif.domains.nethack.vocabulary import BRANCHES, HUNGER
from maestromotif.errors import ArtifactError

__all__ = ["fit_rates"]

_PRIOR = 300.0  # steps that the more general rate counts for
_RARE = 1e-5  # per step, of what was never seen
_FEWEST = 30  # windows from which quantiles are taken; with fewer, those of the skill as a whole
_MAIN = BRANCHES.index("main")
_HUNGRY, _FAINTING = HUNGER.index("hungry"), HUNGER.index("fainting")
_SEEN_MUCH = 250  # squares; a level of which so much was seen and that has a shop or an altar has mostly shown it

Values = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Window:
    """One piece of play.

    Attributes:
        start, end: facts before and after.
        steps: its length.
        age: steps since the character came to the level, at the start.
        first: for facts that rose from 0, steps until they did.
        over: the game ended.
    """

    skill: str
    start: Values
    end: Values
    steps: int
    age: int
    first: Mapping[str, int]
    over: bool

    @property
    def moved(self) -> int:
        """-1: came up; 1: went down, also into another branch; 0: same level."""
        if (self.start["depth"], self.start["branch"]) == (self.end["depth"], self.end["branch"]):
            return 0
        return 1 if self.end["depth"] > self.start["depth"] else -1

    @property
    def escaped(self) -> bool:
        return self.over and self.end["hp"] > 0 and self.start["depth"] == 1


_FOUND = ("stairs_down_known", "stairs_up_known", "shopkeeper_near", "altar_near", "oracle_near", "on_altar")


def fit_rates(play: Iterable[Any], card: Mapping[str, Any]) -> Rates:
    """Rates from tables as ``maestromotif.agents.play`` makes them.

    Args:
        play: tables (pyarrow), one for each recording.
        card: how the play was made; numbers of episodes and steps are added.

    Raises:
        ArtifactError: there is too little play to fit anything.
    """
    windows: list[_Window] = []
    episodes = 0
    for table in play:
        columns = {name: table[name].to_pylist() for name in table.column_names}
        for rows in _episodes(columns):
            episodes += 1
            windows += _windows(columns, rows)
    steps = sum(window.steps for window in windows)
    if steps < 1_000:
        raise ArtifactError(f"only {steps} steps of play", "Record at least 1,000, better 100,000")
    world = _world(windows)
    everything = _skill_rates(windows, windows, world)
    skills = sorted({window.skill for window in windows})
    fitted = {skill: _skill_rates([window for window in windows if window.skill == skill], windows, world) for skill in skills}
    told = {**card, "episodes": episodes, "steps": steps, "steps_of_skills": {skill: found.steps for skill, found in fitted.items()}}
    return Rates(told, world, fitted, everything)


def _episodes(columns: Mapping[str, Sequence[Any]]) -> Iterator[range]:
    games, numbers = columns["game"], columns["episode"]
    first = 0
    for row in range(1, len(games) + 1):
        if row == len(games) or (games[row], numbers[row]) != (games[first], numbers[first]):
            yield range(first, row)
            first = row


def _windows(columns: Mapping[str, Sequence[Any]], rows: range) -> Iterator[_Window]:
    """The windows of one episode."""
    names = [name for name in columns if name not in ("game", "episode", "skill", "call", "over")]

    def facts(row: int) -> Values:
        return {name: columns[name][row] for name in names}

    depth, branch, call, over = columns["depth"], columns["branch"], columns["call"], columns["over"]
    begin, arrived = rows.start, rows.start
    start = facts(begin)
    first: dict[str, int] = {}
    for row in rows[1:]:
        for name in _FOUND:
            if columns[name][row] and not start[name] and name not in first:
                first[name] = row - begin
        moved = (depth[row], branch[row]) != (depth[begin], branch[begin])
        last = row + 1 == rows.stop or call[row + 1] != call[row] or columns["skill"][row + 1] != columns["skill"][row]
        if moved or last or over[row] or row - begin == TICK_STEPS:
            end = facts(row)
            yield _Window(str(columns["skill"][row]), start, end, row - begin, begin - arrived, first, bool(over[row]))
            begin, start, first = row, end, {}
            if moved:
                arrived = row


Event = Callable[[_Window], int | None]
"""After how many steps of the window the event came; None: it did not."""


def _hazard(windows: Iterable[_Window], event: Event, prior: float = _RARE, weight: float = _PRIOR) -> float:
    """Events by steps at risk, as if ``weight`` steps with the rate ``prior`` had been seen too."""
    events, steps = 0, 0.0
    for window in windows:
        came = event(window)
        events += came is not None
        steps += window.steps if came is None else came
    return round((events + prior * weight) / max(1.0, steps + weight), 7)


def _rate(windows: Sequence[_Window], count: Callable[[_Window], float], prior: float = 0.0, weight: float = _PRIOR) -> float:
    """Mean number in a step."""
    steps = sum(window.steps for window in windows)
    return round((sum(map(count, windows)) + prior * weight) / max(1.0, steps + weight), 7)


def _quantiles(values: Sequence[float], digits: int = 3) -> tuple[float, ...]:
    """Of no values: zeros."""
    if not len(values):
        return (0.0,) * len(SHARES)
    return tuple(round(float(value), digits) for value in np.quantile(values, SHARES))


def _full(window: _Window) -> bool:
    """Whether it is of full length, and on one level."""
    return window.steps == TICK_STEPS and not window.moved


def _age(window: _Window) -> int:
    return bin_of(window.age, AGES)


def _hits(window: _Window) -> int:
    return bin_of(window.start["hp"] / max(1, window.start["max_hp"]), HITS)


def _depth(window: _Window) -> int:
    return bin_of(window.start["depth"], DEPTHS)


def _by(windows: Iterable[_Window], key: Callable[[_Window], int], count: int) -> list[list[_Window]]:
    groups: dict[int, list[_Window]] = defaultdict(list)
    for window in windows:
        groups[key(window)].append(window)
    return [groups[index] for index in range(count)]


def _aged(own: Sequence[_Window], pool: Sequence[_Window], event: Event) -> tuple[float, ...]:
    """A hazard by age of the visit."""
    mean = _hazard(own, event, _hazard(pool, event) if len(pool) > len(own) else _RARE)
    return tuple(_hazard(group, event, mean) for group in _by(own, _age, len(AGES) + 1))


def _finds(name: str) -> Event:
    return lambda window: window.first.get(name)


def _moves(sign: int) -> Event:
    return lambda window: window.steps if window.moved == sign or (sign < 0 and window.escaped) else None


def _died(window: _Window) -> int | None:
    return window.steps if window.over and not window.escaped else None


def _fell(window: _Window) -> int | None:
    return window.steps if window.moved > 0 and not window.end["on_stairs_up"] else None


def _differs(name: str, sign: int) -> Event:
    return lambda window: window.steps if (window.end[name] - window.start[name]) * sign > 0 and not window.moved else None


def _skill_rates(own: Sequence[_Window], pool: Sequence[_Window], world: World) -> SkillRates:
    """The rates of one skill's windows; those of all skills stand in where there are few."""

    def both(where: Callable[[_Window], bool]) -> tuple[list[_Window], list[_Window]]:
        return [window for window in own if where(window)], [window for window in pool if where(window)]

    def hazard(where: Callable[[_Window], bool], event: Event, share: float = 1.0) -> float:
        """``share``: of the steps, in how many the event can come at all."""
        mine, all_ = both(where)
        return round(_hazard(mine, event, _hazard(all_, event)) / share, 7)

    def aged(where: Callable[[_Window], bool], event: Event) -> tuple[float, ...]:
        # A skill that takes no stairs must not take those of another one: only its own steps count.
        return _aged(both(where)[0], [], event)

    full = [window for window in own if _full(window)]
    return SkillRates(
        steps=sum(window.steps for window in own),
        find_down=aged(lambda w: not w.start["stairs_down_known"], _finds("stairs_down_known")),
        find_up=aged(lambda w: not w.start["stairs_up_known"], _finds("stairs_up_known")),
        find_second=_second(own),
        take_down=aged(lambda w: bool(w.start["stairs_down_known"]) and not w.start["on_stairs_down"], _moves(1)),
        take_up=aged(lambda w: bool(w.start["stairs_up_known"]) and not w.start["on_stairs_up"], _moves(-1)),
        take_down_on=_hazard(both(lambda w: bool(w.start["on_stairs_down"]))[0], _moves(1), weight=20),
        take_up_on=_hazard(both(lambda w: bool(w.start["on_stairs_up"]))[0], _moves(-1), weight=20),
        leave=hazard(lambda w: bool(w.start["on_stairs_up"] or w.start["on_stairs_down"]), _left_stairs),
        fall=hazard(lambda w: not w.start["on_stairs_down"], _fell),
        death=_death(own, pool),
        hit_points=_hit_points(full, [window for window in pool if _full(window)]),
        hostiles=_hostiles(full),
        kills=(
            _rate([w for w in own if not w.start["hostiles_near"]], lambda w: w.end["kills"] - w.start["kills"]),
            _rate([w for w in own if w.start["hostiles_near"]], lambda w: w.end["kills"] - w.start["kills"]),
        ),
        squares=_squares(full),
        turns=_quantiles([window.end["turn"] - window.start["turn"] for window in full], 1),
        gold=_gold(own),
        gained=_rate(own, lambda w: max(0, w.end["new_items"] - w.start["new_items"])),
        lost=_rate([w for w in own if w.start["new_items"]], lambda w: max(0, w.start["new_items"] - w.end["new_items"])),
        meals=(
            _rate([w for w in own if w.start["hunger"] < _HUNGRY], lambda w: w.end["meals"] - w.start["meals"]),
            _rate([w for w in own if w.start["hunger"] >= _HUNGRY], lambda w: w.end["meals"] - w.start["meals"], 0.01),
        ),
        close=hazard(lambda w: bool(w.start["unexplored_reachable"]), _differs("unexplored_reachable", -1)),
        reopen=hazard(lambda w: not w.start["unexplored_reachable"], _differs("unexplored_reachable", 1)),
        see_shop=hazard(lambda w: _may_have_shop(w) and not w.start["shopkeeper_near"], _finds("shopkeeper_near"), world.shops),
        leave_shop=hazard(lambda w: bool(w.start["shopkeeper_near"]), _differs("shopkeeper_near", -1)),
        sell=hazard(lambda w: bool(w.start["shopkeeper_near"]) and w.start["new_items"] > 0, _differs("items_sold", 1)),
        see_altar=hazard(lambda w: not w.start["altar_near"], _finds("altar_near"), world.altars),
        reach_altar=hazard(lambda w: bool(w.start["altar_near"]) and not w.start["on_altar"], _finds("on_altar")),
        drop=hazard(lambda w: bool(w.start["on_altar"]) and w.start["unknown_buc_items"] > 0, _differs("unknown_buc_items", -1)),
    )


def _left_stairs(window: _Window) -> int | None:
    return window.steps if not (window.end["on_stairs_up"] or window.end["on_stairs_down"]) else None


def _may_have_shop(window: _Window) -> bool:
    return window.start["depth"] > 1


def _second(windows: Sequence[_Window]) -> float:
    """One level of three, at depth 2 to 4, has a second staircase down."""
    where = [w for w in windows if w.start["branch"] == _MAIN and 2 <= w.start["depth"] <= 4 and w.start["stairs_down_count"] == 1]
    return round(3 * _hazard(where, _differs("stairs_down_count", 1)), 7)


def _death(own: Sequence[_Window], pool: Sequence[_Window]) -> tuple[tuple[float, ...], ...]:
    count = len(HITS) + 1
    own, pool = ([w for w in windows if w.start["hunger"] < _FAINTING] for windows in (own, pool))
    table = []
    for mine, all_ in zip(_by(own, _hits, count), _by(pool, _hits, count), strict=True):
        mean = _hazard(mine, _died, _hazard(all_, _died))
        table.append(tuple(_hazard(group, _died, mean) for group in _by(mine, _depth, len(DEPTHS) + 1)))
    return tuple(table)


def _change(window: _Window) -> float:
    # Where the maximum itself has changed (a new level, a new shape), the larger one.
    return max(-1.0, (window.end["hp"] - window.start["hp"]) / max(1, window.start["max_hp"], window.end["max_hp"]))


def _hit_points(full: Sequence[_Window], pool: Sequence[_Window]) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Of those who live on; death is told apart. Where there are few windows, those of all depths, then of all skills, stand in."""
    alive, all_ = ([w for w in windows if not w.over and w.end["hp"] > 0] for windows in (full, pool))
    count, table = len(HITS) + 1, []
    for mine, others in zip(_by(alive, _hits, count), _by(all_, _hits, count), strict=True):
        general = mine if len(mine) >= _FEWEST else others
        row = (group if len(group) >= _FEWEST else general for group in _by(mine, _depth, len(DEPTHS) + 1))
        table.append(tuple(_quantiles([_change(window) for window in group]) for group in row))
    return tuple(table)


def _hostiles(full: Sequence[_Window]) -> tuple[tuple[float, ...], ...]:
    counts: NDArray[np.float64] = 0.1 * np.ones((HOSTILES, HOSTILES)) + 5 * np.eye(HOSTILES)
    for window in full:
        counts[tuple(min(HOSTILES - 1, facts["hostiles_near"]) for facts in (window.start, window.end))] += 1
    return tuple(tuple(round(float(value), 4) for value in row / row.sum()) for row in counts)


def _squares(full: Sequence[_Window]) -> tuple[tuple[float, ...], ...]:
    def seen(windows: Sequence[_Window]) -> tuple[float, ...]:
        return _quantiles([max(0, window.end["squares_seen_here"] - window.start["squares_seen_here"]) for window in windows], 1)

    return tuple(seen(group if len(group) >= _FEWEST else full) for group in _by(full, _age, len(AGES) + 1))


def _gold(own: Sequence[_Window]) -> tuple[float, ...]:
    event = _differs("gold_collected", 1)
    mean = _hazard(own, event)
    return tuple(_hazard(group, event, mean) for group in _by(own, lambda w: bin_of(w.start["steps_here"], AGES), len(AGES) + 1))


def _world(windows: Sequence[_Window]) -> World:
    started = [w.start["max_hp"] for w in windows if w.start["experience_level"] == 1 and w.start["steps"] <= 1]
    rises = [w for w in windows if w.end["experience_level"] > w.start["experience_level"]]
    kills, ups = np.full(30, 1.0), np.zeros(30)
    for window in windows:
        level = window.start["experience_level"] - 1
        kills[level] += window.end["kills"] - window.start["kills"]
        ups[level] += max(0, window.end["experience_level"] - window.start["experience_level"])
    most = int(np.flatnonzero(ups).max(initial=0)) + 1
    oracle = [w for w in windows if w.start["branch"] == _MAIN and 5 <= w.start["depth"] <= 9 and not w.start["oracle_near"]]
    gained = sum(max(0, w.end["new_items"] - w.start["new_items"]) for w in windows)
    food = sum(max(0, w.end["food_items"] - w.start["food_items"]) for w in windows)
    meals = sum(w.end["meals"] - w.start["meals"] for w in windows)
    turns = sum(w.end["turn"] - w.start["turn"] for w in windows)
    found, sold = _differs("gold_collected", 1), _differs("items_sold", 1)
    return World(
        hit_points=_quantiles(started or [14], 1),
        growth=_quantiles([max(0, w.end["max_hp"] - w.start["max_hp"]) for w in rises] or [4], 1),
        advance=tuple(round(float(value), 4) for value in np.minimum(1, ups / kills)[:most]),
        gold=_quantiles([w.end["gold_collected"] - w.start["gold_collected"] for w in windows if found(w)] or [10], 1),
        prices=_quantiles([w.end["gold"] - w.start["gold"] for w in windows if sold(w)] or [10], 1),
        shops=_share(windows, "shopkeeper_near", _may_have_shop),
        altars=_share(windows, "altar_near", lambda w: True),
        food=round(min(1.0, food / max(1, gained)), 4),
        meal=round(min(800.0, 0.8 * turns / max(1, meals)), 1),
        famine=_hazard([w for w in windows if w.start["hunger"] >= _FAINTING], _died),
        oracle=round(5 * _hazard(oracle, _finds("oracle_near")), 7),
    )


def _share(windows: Sequence[_Window], name: str, where: Callable[[_Window], bool]) -> float:
    """Of the levels of which much was seen, those that have shown it; at least one of twenty, since none may be by chance."""
    much: set[tuple[int, int]] = set()
    shown: set[tuple[int, int]] = set()
    episode = 0
    for window in windows:
        episode += window.start["steps"] <= 1
        if window.start["branch"] == _MAIN and where(window):
            place = (episode, window.start["depth"])
            if window.start["squares_seen_here"] >= _SEEN_MUCH:
                much.add(place)
            if window.start[name] or name in window.first:
                shown.add(place)
    return round(max(0.05, len(much & shown) / max(1, len(much))), 4)
