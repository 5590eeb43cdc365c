"""Gates that are refused, by the name of the argument."""

from __future__ import annotations

import math

BAD_VALUES = [
    ("min_records", -1),
    ("min_records", "10"),
    ("min_records", 1.5),
    ("min_records", True),
    ("min_records", math.nan),
    ("max_failed_ratio", -0.1),
    ("max_failed_ratio", 1.1),
    ("max_failed_ratio", 5),
    ("max_failed_ratio", "0.5"),
    ("max_failed_ratio", math.nan),
    ("max_failed_ratio", True),
    ("on_empty", "ignore"),
    ("on_empty", ""),
    ("on_empty", None),
]
