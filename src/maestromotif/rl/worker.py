"""What a worker process runs: games, and nothing else. Started by ``maestromotif.rl.vector``; not for people."""

from __future__ import annotations

import json
import socket
import sys
import traceback
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import MaestroError
from maestromotif.rl.acting import ActingArrays, ActingSpec, Collector
from maestromotif.rl.actors import make_actor
from maestromotif.rl.arrays import SharedBuffer, StepArrays
from maestromotif.rl.build import GamesSpec, build_part, load_part_domain
from maestromotif.rl.episodes import EpisodeResult
from maestromotif.rl.games import SkillGames

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serve until the other end of the line is closed, which also happens when the trainer is killed."""
    line_fd, memory_fd, size = (int(argument) for argument in arguments)
    with socket.socket(fileno=line_fd) as line:
        try:
            _serve(line, SharedBuffer(size, memory_fd))
        except (BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            # Whatever went wrong is raised again in the trainer, which knows what to do about it.
            _tell(line, b"e", _describe(error))


def _serve(line: socket.socket, buffer: SharedBuffer) -> None:
    task = _read_task(line)
    if task is None:
        return
    spec = GamesSpec.from_json(json.dumps(task["spec"]))
    domain = load_part_domain(spec)
    arrays = StepArrays.over(buffer.memory, domain.observation_spec, spec.num_games, len(spec.skills), task["parts"])
    results: list[EpisodeResult] = []
    groups = [
        build_part(
            spec,
            domain,
            arrays.part(mine["part"], slice(*mine["games"])),
            range(*mine["games"]),
            (mine["part"], task["parts"]),
            results.append,
        )
        for mine in task["mine"]
    ]
    collector = _collector(task["acting"], domain, spec, groups[0], arrays, task["mine"][0]) if "acting" in task else None
    try:
        while order := line.recv(1):
            if order == b"r":
                for games in groups:
                    games.reset()
            elif order in (b"p", b"q"):
                assert collector is not None
                collector.collect(order[0] - ord("p"))
            elif order == b"f":
                counts: dict[str, int] = {}
                for games in groups:
                    for kind, count in games.faults().items():
                        counts[kind] = counts.get(kind, 0) + count
                _tell(line, b"f", counts)
                continue
            else:
                groups[int(order)].step()
            if results:
                _tell(line, b"!", [result.to_json() for result in results])
                results.clear()
            else:
                line.sendall(b".")
    finally:
        for games in groups:
            games.close()


class _Here:
    """The games of one part as ``Collector`` wants them."""

    def __init__(self, part: SkillGames, arrays: StepArrays) -> None:
        self.arrays, self.groups, self._part = arrays, [slice(0, len(arrays.action))], part

    def send(self, group: int) -> None:
        self._part.step()

    def wait(self, group: int) -> None:
        return None


def _collector(
    acting: dict[str, Any], domain: Domain, spec: GamesSpec, part: SkillGames, arrays: StepArrays, mine: dict[str, Any]
) -> Collector:
    """The network acts here: with memory and weights that are shared with the trainer."""
    described = ActingSpec(**acting["spec"])
    observed = domain.observation_spec
    buffer = SharedBuffer(acting["size"], acting["fd"])
    games = slice(*mine["games"])
    views = ActingArrays.over(buffer.memory, described.layout(observed, spec.num_games)).part(games)
    actor = make_actor(observed, described.skills, described.network, views.weights)
    return Collector(_Here(part, arrays.part(mine["part"], games)), actor, views, described)


def _read_task(line: socket.socket) -> dict[str, Any] | None:
    header = b""
    while not header.endswith(b"\n"):
        more = line.recv(1)
        if not more:
            return None
        header += more
    left, parts = int(header), []
    while left:
        more = line.recv(min(left, 1 << 20))
        if not more:
            return None
        parts.append(more)
        left -= len(more)
    task: dict[str, Any] = json.loads(b"".join(parts))
    return task


def _tell(line: socket.socket, kind: bytes, message: Any) -> None:
    data = json.dumps(message).encode()
    line.sendall(kind + len(data).to_bytes(4, "little") + data)


def _describe(error: Exception) -> dict[str, str]:
    problem, remedy = (error.problem, error.remedy) if isinstance(error, MaestroError) else (str(error), "")
    return {"kind": type(error).__name__, "problem": problem, "remedy": remedy, "traceback": traceback.format_exc()}


if __name__ == "__main__":
    main(sys.argv[1:])
