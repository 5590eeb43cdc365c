"""The command ``examples``: lists the example DAGs, or copies them to a folder."""

from __future__ import annotations

import ast
import shutil
import textwrap
from argparse import Namespace
from pathlib import Path
from typing import TextIO

from airflow_provider_mparticle.cli.exit_codes import GOOD
from airflow_provider_mparticle.client.errors import ConfigError

_PACKAGE = Path(__file__).parents[1]
# In a wheel the examples are inside the package, in a clone beside it (pyproject.toml).
FOLDER = next(path for parent in (_PACKAGE, _PACKAGE.parent) if (path := parent / "example_dags").is_dir())


def examples(arguments: Namespace, out: TextIO) -> int:
    """List the example DAGs, or copy them to a folder with the document that one of them applies."""
    files = sorted(path for path in FOLDER.iterdir() if path.suffix in (".py", ".yaml"))
    if arguments.copy is None:
        for path in files:
            if path.suffix == ".py":
                print(
                    path.stem,
                    textwrap.fill(_summary(path), 100, initial_indent="    ", subsequent_indent="    "),
                    sep="\n",
                    file=out,
                )
        print("\n--copy DIR copies the files to a folder, for example in Airflow's DAGs folder.", file=out)
    else:
        if not arguments.copy.strip():
            raise ConfigError("--copy needs the path of a folder, not a blank text. Nothing was copied.")
        _copy(files, Path(arguments.copy))
        print(f"Copied {len(files)} files to {arguments.copy}.", file=out)
        print("They use pipelines such as 'orders'. Replace these ids with yours before you start a DAG.", file=out)
    return GOOD


def _summary(path: Path) -> str:
    """Return the first paragraph of the docstring of a file."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _copy(files: list[Path], folder: Path) -> None:
    """
    Copy files to a folder. Create the folder if it does not exist.

    :raises ConfigError: The folder cannot be written, or has a different file with one of these names. Nothing is
        overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in files if _differs(path, folder / path.name)]
        if others:
            raise ConfigError(
                f"{folder} already has different files with these names: {', '.join(others)}. Nothing was copied. "
                "Choose another folder, or move these files."
            )
        for path in files:
            shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise ConfigError(
            f"The examples cannot be copied to {folder}: {error.strerror}. Choose another folder."
        ) from error


def _differs(path: Path, target: Path) -> bool:
    return target.exists() and target.read_bytes() != path.read_bytes()
