"""The addresses of pipelines, through Airflow's own assets."""

from __future__ import annotations

import string
import warnings
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.assets import address_of, normalize_uri, pipeline_asset, pipeline_uri

SLUGS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=40)
WORKSPACES = st.integers(min_value=1, max_value=10**18)
IS_AIRFLOW_2 = Asset.__name__ == "Dataset"


@given(WORKSPACES, SLUGS, st.integers(0, 3), st.sampled_from(["mparticle", "MPARTICLE", "mParticle"]))
def test_every_spelling_of_an_address_is_the_same_asset(
    workspace_id: int, pipeline_id: str, zeros: int, scheme: str
) -> None:
    """Airflow compares addresses as texts, so two spellings would otherwise be two assets."""
    spelled = f"{scheme}://{'0' * zeros}{workspace_id}/pipelines/{pipeline_id}{'/' * zeros}"

    assert pipeline_asset(workspace_id, pipeline_id).uri == Asset(uri=spelled).uri
    assert pipeline_asset(str(workspace_id), pipeline_id) == pipeline_asset(workspace_id, pipeline_id)
    assert (str(workspace_id), pipeline_id) == address_of(spelled)


@pytest.mark.parametrize(
    "uri",
    [
        "mparticle://1234",
        "mparticle://1234/pipelines",
        "mparticle://1234/pipelines/",
        "mparticle://1234/orders",
        "mparticle://1234/pipelines/orders/runs",
        "mparticle://1234/pipelines/my orders",
        "mparticle://1234/pipelines/%2e%2e",
        "mparticle://1234/Pipelines/orders",
        "mparticle://0/pipelines/orders",
        "mparticle://acme/pipelines/orders",
        "mparticle://-1/pipelines/orders",
        "mparticle://١٢/pipelines/orders",
        "mparticle:///pipelines/orders",
        "mparticle:/pipelines/orders",
        "mparticle://1234:80/pipelines/orders",
        "mparticle://user@1234/pipelines/orders",
        "mparticle://1234/pipelines/orders?run=1",
    ],
)
def test_other_addresses_are_refused_while_the_dag_is_parsed(uri: str) -> None:
    """An asset with a misspelled address would never start a DAG, without any error."""
    with pytest.raises(ValueError, match="is not the address of a pipeline"):
        normalize_uri(urlsplit(uri))

    assert address_of(uri) is None
    if IS_AIRFLOW_2:  # it warns, unless it is set to be strict
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises((ValueError, UserWarning)):
                Asset(uri=uri)
    elif "@" not in uri:
        with pytest.raises(ValueError, match="pipelines/PIPELINE_ID"):
            Asset(uri=uri)


@settings(max_examples=300)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_part_that_does_not_fit_never_makes_another_address(workspace_id: str, pipeline_id: str) -> None:
    """A slash, a question mark or an encoded character must not lead to the address of another pipeline."""
    try:
        uri = pipeline_uri(workspace_id, pipeline_id)
    except ValueError:
        return

    assert (workspace_id.lstrip("0"), pipeline_id) == address_of(uri)


@pytest.mark.parametrize("pipeline_id", [None, 7, True, ["orders"], b"orders"])
def test_a_pipeline_that_is_not_text_is_refused(pipeline_id: Any) -> None:
    """The message is the import error of the DAG file."""
    with pytest.raises(ValueError, match="pipeline_id must be the slug of a pipeline, not"):
        pipeline_uri(1234, pipeline_id)


def test_options_reach_the_asset() -> None:
    """For example, an asset may have an extra that names its owner."""
    assert {"team": "crm"} == pipeline_asset(1234, "orders", extra={"team": "crm"}).extra


def test_other_schemes_have_no_address() -> None:
    """Other assets of a task are ignored."""
    assert address_of("s3://bucket/pipelines/orders") is None
