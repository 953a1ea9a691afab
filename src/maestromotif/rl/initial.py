"""Weights of another training to begin with."""

from __future__ import annotations

from pathlib import Path

from maestromotif import pretrained
from maestromotif.errors import ConfigError
from maestromotif.rl.networks import SkillPolicy

__all__ = ["begin_with"]


def begin_with(policy: SkillPolicy, named: str, home: Path) -> None:
    """Give a network the weights of another one, with what it has learned of the size of returns. The optimiser begins anew.

    Args:
        named: skills that ship with the package, or a ``policy.safetensors`` in or below ``home``.

    Raises:
        ConfigError: that network has other skills, another shape, or sees or does something else.
        ArtifactError: there is no such file, or it is damaged.
    """
    path = pretrained.locate(named) / "training" / "policy.safetensors" if named in pretrained.names() else home / named
    other = SkillPolicy.load(path)
    same = {
        "skills": policy.skills == other.skills,
        "observation or actions": policy.spec == other.spec,
        "size or kind of network": policy.config == other.config,
    }
    differs = [what for what, equal in same.items() if not equal]
    if differs:
        raise ConfigError(
            f"[train] initial = {named!r}: {path} was made with another {' and another '.join(differs)}",
            "Name weights of a training with the same skills, [domain] and network, or leave initial empty",
        )
    policy.load_state_dict(other.state_dict())
