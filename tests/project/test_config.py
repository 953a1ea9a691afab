"""maestro.toml: defaults shown, unknown keys refused, every problem at once."""

from __future__ import annotations

import tomllib

import pytest

from maestromotif.config import ProjectConfig, parse_config, render_config
from maestromotif.domains import load_domain
from maestromotif.errors import ConfigError


def test_the_rendered_file_says_what_the_defaults_are() -> None:
    text = render_config(load_domain("corridor"))
    config = parse_config(text)
    recommended = load_domain("corridor").recommended
    for section in ProjectConfig.model_fields:
        if section == "domain":
            continue
        expected = getattr(ProjectConfig(), section).model_dump()
        expected.update(recommended.get(section, {}))
        assert getattr(config, section) == type(getattr(config, section))(**expected)
    assert config.domain.id == "corridor"


def test_every_key_is_shown_and_explained() -> None:
    lines = render_config(load_domain("corridor")).splitlines()
    shown = tomllib.loads("\n".join(lines))
    for section, info in ProjectConfig.model_fields.items():
        if section in ("coder", "annotator"):
            continue
        model = info.annotation
        assert model is not None
        first = lines.index(f"[{section}]")
        for name in model.model_fields:
            place = next(number for number in range(first, len(lines)) if lines[number].removeprefix("# ").startswith(f"{name} = "))
            assert name in shown[section] or lines[place].startswith("# "), f"[{section}] {name} is not shown"
            assert lines[place - 1].startswith("# "), f"[{section}] {name} is not explained"


def test_all_problems_come_at_once_and_name_table_and_key() -> None:
    text = "[train]\nstepz = 3\nepochs = 'many'\n[chatt]\nkind = 'openai'\n[coder]\nmodle = 'x'\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "here/maestro.toml")
    message = str(caught.value)
    assert message.startswith("here/maestro.toml: ")
    assert "[train] stepz: unknown key (did you mean 'steps'?)" in message
    assert "[train] epochs: " in message
    assert "[chatt]: unknown table (did you mean 'chat'?)" in message
    assert "[coder] modle: unknown key (did you mean 'model'?)" in message
    assert "\n" not in message


def test_a_problem_of_chat_is_not_told_again_for_those_that_inherit_it() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("[chat]\ntimeout = 'long'\n")
    assert str(caught.value).count("timeout") == 1


def test_an_unusable_endpoint_of_chat_is_told_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("[chat]\nkind = 'openai'\n")
    assert str(caught.value).count("base_url") == 1


def test_coder_and_annotator_inherit_and_override_chat() -> None:
    config = parse_config("[chat]\nkind = 'openai'\nbase_url = 'http://localhost:1/v1'\nmodel = 'small'\n[coder]\nmodel = 'large'\n")
    assert (config.coder.model, config.coder.base_url, config.coder.kind) == ("large", "http://localhost:1/v1", "openai")
    assert config.annotator == config.chat


def test_overrides_win_and_are_checked_like_the_file() -> None:
    assert parse_config("[train]\nsteps = 5\n", overrides=["train.steps=7_000", "chat.model=plain words"]).train.steps == 7000
    with pytest.raises(ConfigError, match=r"--set \[train\] stpes: unknown key \(did you mean 'steps'\?\)"):
        parse_config("", overrides=["train.stpes=7"])
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        parse_config("", overrides=["steps"])


def test_what_is_not_toml_names_the_line() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse_config("[train]\nsteps = = 3\n")


def test_domain_options_are_kept_for_the_domain() -> None:
    assert parse_config("[domain]\nid = 'corridor'\nlength = 5\n").domain.options == {"length": 5}
