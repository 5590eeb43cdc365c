"""Runs ``make demo``, and draws its output as a picture of a terminal for the documentation."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS = 110


def picture_of(output: str) -> str:
    """Return an SVG of a terminal with this output. It names only fonts of the reader's machine."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print("[bold]$ make demo[/bold]")
    console.print(output.rstrip(), markup=False)
    svg = console.export_svg(title="airflow-provider-mparticle", unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> int:
    """Run the demo and write the picture. If the demo fails, the old picture stays."""
    demo = subprocess.run([sys.executable, "-m", "dev.demo"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(demo.stdout)
    if demo.returncode == 0:
        PICTURE.write_text(picture_of(demo.stdout))
    return demo.returncode


if __name__ == "__main__":
    sys.exit(main())
