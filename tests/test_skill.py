"""SKILL.md: its commands and options exist."""

from __future__ import annotations

import re
import shlex

import pytest

from hf_mlm.cli import main
from tests.conftest import REPOSITORY
from tests.documentation import unknown_words


TEXT = (REPOSITORY / "SKILL.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`hf-mlm ([a-z]+ [^`]*)`", TEXT)))


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_and_options_exist(command: str) -> None:
    assert unknown_words(shlex.split(command)) == []


@pytest.mark.parametrize("command", sorted({command.split()[0] for command in COMMANDS}))
def test_its_commands_have_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        main([command, "--help"])
    except SystemExit as end:
        assert end.code == 0
    assert "Usage" in capsys.readouterr().out


def test_it_begins_with_name_and_description() -> None:
    front = TEXT.split("---")[1]
    assert re.search(r"^name: hf-mlm$", front, re.MULTILINE) and re.search(
        r"^description: .{40,}$", front, re.MULTILINE
    )
