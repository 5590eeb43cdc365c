"""Follows the tutorial: executes every block of it, in order, in one shell, as a reader does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.standalone import free_port

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
# It takes less than a minute. A command that waits for something that never comes must not wait longer.
LONGEST_S = 600.0


class TutorialError(Exception):
    """A block of the tutorial does not do what it says."""


def follow(folder: Path, programs: Path) -> Counter[str]:
    """
    Save the files, run the commands, and look for each line of text in the output of the commands above it.

    :param folder: An empty folder, in which the reader works.
    :param programs: The folder with the ``python`` and the ``airflow`` of the reader.
    :return: How many blocks of each kind there are.
    :raises TutorialError: A command has failed, or a line of text is not in its output.
    """
    # The simulator's usual port may be taken.
    port, output, kinds = str(free_port()), "", Counter[str]()
    with _shell(folder, programs) as shell:
        for block in BLOCK.finditer(PAGE.read_text()):
            kinds[block["kind"]] += 1
            if block["kind"] == "python":
                (folder / block["file"]).write_text(block["text"])
            elif block["kind"] == "shell":
                commands = block["text"].replace("8090", port).replace(".simulator ", f".simulator --port {port} ")
                output = _output(shell, commands)
            elif missing := [line for line in block["text"].splitlines() if line not in output]:
                raise TutorialError(f"{missing} is not in this output:\n{output}")
    return kinds


@contextmanager
def _shell(folder: Path, programs: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a shell with nothing of this environment. What it has started ends with it."""
    shell = subprocess.Popen(
        ["bash"],
        cwd=folder,
        env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    limit = threading.Timer(LONGEST_S, os.killpg, (shell.pid, signal.SIGKILL))
    limit.start()
    try:
        yield shell
    finally:
        limit.cancel()
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()


def _output(shell: subprocess.Popen[str], commands: str) -> str:
    """Return what some commands print."""
    if shell.stdin is None or shell.stdout is None:
        raise TypeError("The shell has no pipes.")
    shell.stdin.write(f'{commands}\necho "__exit__ $?"\n')
    shell.stdin.flush()
    output = ""
    for line in shell.stdout:
        if line == "__exit__ 0\n":
            return output
        output += line
        if line.startswith("__exit__"):
            break
    raise TutorialError(f"These commands have failed:\n{commands}\n{output}")
