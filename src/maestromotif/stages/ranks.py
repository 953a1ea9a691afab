"""Commands under torchrun: rank 0 is the command as always; every other rank waits, joins the training, and ends.

Ranks find each other through the store that torchrun keeps for them. The process that trains for rank 0 leaves its order there; a command
that has come to its end without training leaves an empty one, so that nobody waits for it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from maestromotif.errors import MaestroError, ProjectError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import TCPStore

__all__ = ["announce", "follow_if_rank", "main", "release"]

_KEY = "maestromotif/order"
# How long a rank waits for rank 0 to come to the training; stages before it may take long.
_PATIENCE = timedelta(days=7)


def follow_if_rank() -> None:
    """In any rank but 0, become a process that holds no keys and follows; does not return then."""
    if int(os.environ.get("RANK", "0")) and _several():
        from maestromotif.programs.sandbox import scrubbed_environment

        command = [sys.executable, "-P", "-m", "maestromotif.stages.ranks"]
        os.execve(command[0], command, scrubbed_environment())  # noqa: S606 - the command is ours, and no shell is wanted


def announce(order: str) -> None:
    """Let the other ranks join the training that this process is about to begin; ``order`` is what ``apart`` has sent it."""
    if _several():
        _store().set(_KEY, order)


def release() -> None:
    """The command is over: ranks that still wait need wait no longer."""
    if _several():
        _store().compare_set(_KEY, "", "none")


def main() -> int:
    """What the other ranks run; returns the exit code."""
    order = _wait()
    if order == "none":
        return 0
    from maestromotif.project import Project
    from maestromotif.stages.catalogue import stage_by_id
    from maestromotif.stages.stage import Work

    told = json.loads(order)
    project = Project.restore(Path(told["root"]), told["config"], told["skills"])
    stage_by_id(project, told["stage"], told["options"]).work(Work(project, Path(told["out"]), lambda *_: None, lambda _: None))
    return 0


def _several() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _wait() -> str:
    store = _store()
    # Waiting in the store cannot be interrupted; nothing is lost yet, so that the default, which is to die, is right.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    store.wait([_KEY], _PATIENCE)
    signal.signal(signal.SIGINT, before)
    order: str = store.get(_KEY).decode()
    return order


def _store() -> TCPStore:
    from torch._C._distributed_c10d import TCPStore

    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise ProjectError("WORLD_SIZE is set, but not by a torchrun that keeps a store for its processes", "Start them with torchrun")
    return TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    except MaestroError as error:
        sys.stderr.write(f"rank {os.environ['RANK']}: {error}\n")
        code = 2
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    # As in stages.child: threads of libraries must not keep a finished process alive.
    os._exit(code)
