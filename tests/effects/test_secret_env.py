"""A secret in a command's environment reaches the program, and nobody else."""

import msgspec
import pytest
from sshd import Server

from lastgood.effects.hosts import Processes
from lastgood.model.command import Command, Secret

COMMAND = Command(("sh", "-c", 'printf %s "$PGPASSWORD"'), secret_env=(("PGPASSWORD", Secret("h'ush")),))


def test_the_program_gets_the_secret(processes: Processes) -> None:
    assert processes.run(COMMAND).text == "h'ush"


def test_the_program_on_another_host_gets_the_secret(server: Server, processes: Processes) -> None:
    assert processes.run(msgspec.structs.replace(COMMAND, host=server.host)).text == "h'ush"


def test_a_command_does_not_show_its_secret() -> None:
    assert COMMAND.shown() == "PGPASSWORD=*** sh -c 'printf %s \"$PGPASSWORD\"'"


def test_neither_a_command_nor_its_end_has_the_secret_in_its_repr(processes: Processes) -> None:
    quiet = Command(("true",), secret_env=COMMAND.secret_env)
    assert "h'ush" not in repr(quiet) + repr(processes.run(quiet))


def test_a_command_with_a_secret_cannot_be_written_down() -> None:
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(COMMAND)


def test_the_secret_is_in_no_command_line_while_the_program_runs(processes: Processes) -> None:
    command = Command(("sh", "-c", "cat /proc/$$/cmdline"), secret_env=COMMAND.secret_env)
    assert "h'ush" not in processes.run(command).text


def test_equal_secrets_make_equal_commands() -> None:
    assert msgspec.structs.replace(COMMAND, secret_env=(("PGPASSWORD", Secret("h'ush")),)) == COMMAND
    assert msgspec.structs.replace(COMMAND, secret_env=(("PGPASSWORD", Secret("other")),)) != COMMAND
