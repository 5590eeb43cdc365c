"""A token is masked in whatever Airflow logs."""

from __future__ import annotations

import importlib

from airflow_provider_mparticle.connection.masking import mask_secret


def test_what_is_masked_is_not_shown() -> None:
    """It is Airflow's own function, which its loggers use."""
    masker = importlib.import_module(mask_secret.__module__)
    redact = getattr(masker, "redact", None) or masker._secrets_masker().redact

    mask_secret("t0ken-of-this-test")

    assert "Bearer ***" == redact("Bearer t0ken-of-this-test")
