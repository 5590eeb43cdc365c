"""The tutorial does what it says: every block is executed, in order, in one shell, as a reader would."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs/tutorial.md").read_text()
BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


def free_port() -> str:
    """A port that nothing listens on: the simulator's usual one may be taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A shell in an empty folder; what it has started ends with it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash"],  # noqa: S607 - the shell of the reader
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def executed(shell: subprocess.Popen[str], commands: str) -> tuple[int, str]:
    """The exit code and the output of some commands."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(f'{commands}\necho "__exit__ $?"\n')
    shell.stdin.flush()
    output = ""
    for line in shell.stdout:
        if line.startswith("__exit__"):
            return int(line.split()[1]), output
        output += line
    raise AssertionError(f"The shell has ended after: {output}")


def test_every_block_of_the_tutorial_does_what_it_says(shell: subprocess.Popen[str], tmp_path: Path) -> None:
    """A file is saved, commands succeed, and each line of text under commands is in their output."""
    port, output = free_port(), ""
    kinds = []
    for block in BLOCK.finditer(PAGE):
        kinds.append(block["kind"])
        if block["kind"] == "python":
            (tmp_path / block["file"]).write_text(block["text"])
        elif block["kind"] == "shell":
            commands = block["text"].replace("8090", port).replace(".simulator ", f".simulator --port {port} ")
            code, output = executed(shell, commands)
            assert 0 == code, f"{commands}\n{output}"
        else:
            missing = [line for line in block["text"].splitlines() if line not in output]
            assert [] == missing, output

    assert {"python", "shell", "text"} == set(kinds)
