"""``python -m airflow_provider_mparticle``: see :mod:`~airflow_provider_mparticle.cli`."""

from __future__ import annotations

import sys

from airflow_provider_mparticle.cli import main

if __name__ == "__main__":
    sys.exit(main())
