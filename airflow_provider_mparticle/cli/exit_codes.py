"""The exit codes of the command line. ``--help`` and docs/how-to/command-line.md explain them to users."""

from __future__ import annotations

GOOD = 0
FAILED = 1  # mParticle, the network or the output failed, the doctor found a fault, or the user answered no
BAD_INPUT = 2  # wrong arguments, as in argparse, or an invalid connection or document
CHANGES = 3  # the plan has changes, with --detailed-exitcode
INTERRUPTED = 130  # Ctrl-C, as in shells
