"""Runs ``python -m airflow_provider_mparticle``, which is :mod:`~airflow_provider_mparticle.cli.parser`."""

from __future__ import annotations

import sys

from airflow_provider_mparticle.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
