import sys

from sandbox import paths
from sandbox.registry import free_port
from sandbox.run import run


def test_a_port_must_be_given_to_one_process_alone_whether_it_is_used_or_not() -> None:
    port = free_port()
    script = f"from sandbox.registry import _reserved; print(_reserved({port}))"
    assert run([sys.executable, "-c", script], cwd=paths.ROOT).stdout == "False\n"
