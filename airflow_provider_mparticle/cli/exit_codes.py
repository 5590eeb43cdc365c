"""What the exit codes of the command line mean; ``--help`` and docs/how-to/command-line.md say it, too."""

from __future__ import annotations

GOOD = 0
FAILED = 1  # mParticle or the network failed, the doctor found a fault, or the user answered no
BAD_INPUT = 2  # bad usage, as argparse has it, or a bad connection or document
CHANGES = 3  # of a plan, for who asked
INTERRUPTED = 130  # Ctrl-C, as shells have it
