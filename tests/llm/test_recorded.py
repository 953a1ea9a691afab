"""Recorded answers: matching, fallbacks, and files that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestromotif.errors import ChatError
from maestromotif.llm import ChatModel, ChatRequest, Message, RecordedChat


def write(folder: Path, file: str, name: str, subject: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = f'+++\nname = "{name}"\nsubject = """{subject}"""\nmodel = "written by hand"\n+++\n'
    (folder / file).write_text(head + text, encoding="utf-8")


def ask(name: str, subject: str, **variables: str) -> ChatRequest:
    return ChatRequest(name, (Message("user", "?"),), subject=subject, variables=variables)


def test_matches_name_and_subject_whatever_the_white_space(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "w/judge/digger", "Dig\n  deep.", "\nUse {{this}}.\n")
    chat = RecordedChat([tmp_path])
    assert isinstance(chat, ChatModel)
    reply = chat.complete(ask("w/judge/digger", "  Dig deep.\n"))
    assert (reply.text, reply.model, reply.source) == ("Use {{this}}.", "written by hand", "recorded")
    assert not reply.is_fallback


def test_the_most_precise_fallback_wins(tmp_path: Path) -> None:
    write(tmp_path / "one", "a.md", "*/judge/*", "*", "wide {{words}}")
    write(tmp_path / "one", "b.md", "w/judge/*", "*", "narrow {{words}} {{skill}}")
    write(tmp_path / "two", "c.md", "w/judge/*", "*", "second folder")
    write(tmp_path / "two", "d.md", "w/judge/digger", "*", "exact")
    chat = RecordedChat([tmp_path / "one", tmp_path / "two"])
    assert chat.complete(ask("w/judge/digger", "anything")).text == "exact"
    reply = chat.complete(ask("w/judge/other", "anything", words="gold", skill="other"))
    assert (reply.text, reply.source) == ("narrow gold other", "recorded-fallback")
    assert chat.complete(ask("x/judge/other", "anything", words="gold")).text == "wide gold"


def test_the_package_ships_fallbacks_for_unknown_skills() -> None:
    chat = RecordedChat([])
    reply = chat.complete(ask("anywhere/judge/unknown", "Find treasure.", words="find treasure", skill="unknown"))
    assert reply.is_fallback
    assert '"find treasure"' in reply.text
    assert "def can_start" in chat.complete(ask("anywhere/programs/unknown", "x")).text


def test_no_answer_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"w/task/x.*slay the dragon") as caught:
        RecordedChat([tmp_path]).complete(ask("w/task/x", "slay the dragon"))
    assert "base_url" in caught.value.remedy


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "w/x", "*", "{{nowhere}}")
    with pytest.raises(ChatError, match=r"a\.md needs nowhere"):
        RecordedChat([tmp_path]).complete(ask("w/x", "s"))


def test_the_id_changes_with_the_answers(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "w/x", "s", "one")
    before = RecordedChat([tmp_path]).id
    assert RecordedChat([tmp_path]).id == before
    write(tmp_path, "a.md", "w/x", "s", "two")
    assert RecordedChat([tmp_path]).id != before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no head", "no head"),
        ("+++\nname = 'x'\n", "no head"),
        ("text\n+++\nname = 'x'\n+++\n", "no head"),
        ("+++\nname = \n+++\ntext", "not valid TOML"),
        ("+++\nname = 'x'\nsubject = 's'\n+++\ntext", "model"),
        ("+++\nname = 'x'\nsubject = 's'\nmodel = 3\n+++\ntext", "model"),
        ("+++\nname = 'x'\nsubject = 's'\nmodel = 'm'\nmore = 1\n+++\ntext", "more"),
        ("+++\nname = 'x'\nsubject = ' '\nmodel = 'm'\n+++\ntext", "subject"),
        ("+++\nname = 'x'\nsubject = 's'\nmodel = 'm'\n+++\n \n", "is empty"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "bad.md").write_text(content)
    with pytest.raises(ChatError, match=rf"bad\.md.*{problem}"):
        RecordedChat([tmp_path])


def test_missing_folders_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="does not exist"):
        RecordedChat([tmp_path / "nowhere"])
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ChatError, match="cannot be read"):
        RecordedChat([tmp_path])
