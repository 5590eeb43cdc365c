"""Every field of an Airflow connection of type ``mparticle``, in the forms that Airflow passes."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from airflow.providers.common.compat.sdk import Connection
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress
from airflow_provider_mparticle.connection.form import EXTRA_FIELDS
from airflow_provider_mparticle.connection.reader import api_config
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Simulator

SECRET = "k33p-this-one-quiet"
Set = Callable[..., None]


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set these fields of the Airflow connection ``mparticle_default``. None removes a field."""

    def set_fields(extra: dict[str, Any] | None = None, **fields: Any) -> None:
        whole = {"login": "id", "password": SECRET, **fields, "extra": {"workspace_id": 1234, **(extra or {})}}
        given = {name: value for name, value in whole.items() if value is not None}
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps({"conn_type": "mparticle", **given}))

    return set_fields


def config() -> ApiConfig:
    """The configuration of the connection ``mparticle_default``."""
    return MParticleHook().get_conn().config


def refusal() -> str:
    """The message of the error at the first call with the connection ``mparticle_default``."""
    with pytest.raises(ConfigError) as refused:
        MParticleHook().list_pipelines()
    return str(refused.value)


def assert_defaults(read: ApiConfig) -> None:
    """Check that every optional field has its default."""
    assert "https://api.mparticle.com" == read.base_url
    assert "https://sso.auth.mparticle.com/oauth/token" == read.credentials.token_url
    assert "https://api.mparticle.com" == read.credentials.audience
    assert 60.0 == read.timeout_s
    assert read.account_id is None
    assert (DEFAULT_ROUTES, RUN_FIELDS, RUN_STATES) == (read.routes, read.run_fields, read.run_states)


def test_three_fields_are_enough(set_connection: Set) -> None:
    """Only login, password and workspace have no default."""
    set_connection()

    read = config()

    assert "id" == read.credentials.client_id
    assert SECRET == read.credentials.client_secret
    assert 1234 == read.workspace_id
    assert_defaults(read)


def test_fields_that_the_form_left_empty_have_their_defaults(set_connection: Set) -> None:
    """Airflow's form stores an empty text, or null, for an empty field."""
    empty = {"account_id": "", "timeout": "", "token_url": "", "audience": None, "routes": "", "run_states": None}
    set_connection(extra={**empty, "run_fields": ""}, host="")

    assert_defaults(config())


@pytest.mark.parametrize(
    "extra",
    [
        {"workspace_id": 77, "account_id": 5, "timeout": 2.5},
        {"workspace_id": "77", "account_id": "5", "timeout": "2.5"},
        {"workspace_id": " 77 ", "account_id": " 5", "timeout": " 2.5 "},
    ],
    ids=["numbers", "texts", "pasted with blanks"],
)
def test_numbers_may_come_as_text(set_connection: Set, extra: dict[str, Any]) -> None:
    """A URI contains only text, and so did Airflow's forms before 3.2."""
    set_connection(extra)

    read = config()

    assert (77, 5, 2.5) == (read.workspace_id, read.account_id, read.timeout_s)


def test_a_uri_says_the_same_as_json(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    """Airflow documents both forms for environment variables."""
    fields = simulator.airflow_connection()
    host, port = fields["host"].removeprefix("http://").split(":")
    userinfo = f"{quote(fields['login'])}:{quote(fields['password'])}"
    uri = f"mparticle://{userinfo}@{host}:{port}/http?{urlencode(fields['extra'])}"
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", uri)

    pipelines = MParticleHook().list_pipelines()

    assert ["orders"] == [pipeline.id for pipeline in pipelines]


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "api.eu1.mparticle.com"}, "https://api.eu1.mparticle.com"),
        ({"host": "https://api.us2.mparticle.com/"}, "https://api.us2.mparticle.com"),
        ({"host": " https://api.us2.mparticle.com \n"}, "https://api.us2.mparticle.com"),
        ({"host": "proxy.example.com", "port": 8443}, "https://proxy.example.com:8443"),
        ({"host": "https://proxy.example.com/", "port": 8443}, "https://proxy.example.com:8443"),
        ({"host": "https://proxy.example.com:8443"}, "https://proxy.example.com:8443"),
        ({"host": "127.0.0.1", "port": 8080, "schema": "http"}, "http://127.0.0.1:8080"),
        ({"host": "http://localhost:8080"}, "http://localhost:8080"),
        ({"host": "http://[::1]:8080"}, "http://[::1]:8080"),
    ],
)
def test_a_host_may_come_with_or_without_scheme_and_port(
    set_connection: Set, fields: dict[str, Any], base_url: str
) -> None:
    """Users paste whole URLs, URIs split them, and the form has its own field for the port."""
    set_connection(**fields)

    read = config()

    assert base_url == read.base_url


@pytest.mark.parametrize(
    ("fields", "extra", "named"),
    [
        ({"host": "http://api.mparticle.com"}, {}, "host"),
        ({"host": "api.mparticle.com", "schema": "http"}, {}, "host"),
        ({"host": "http://127.0.0.1.example.com"}, {}, "host"),
        ({"host": "ftp://127.0.0.1"}, {}, "host"),
        ({"host": "https://"}, {}, "host"),
        ({"host": "https://", "port": 443}, {}, "host"),
        ({}, {"token_url": "http://sso.auth.mparticle.com/oauth/token"}, "token_url"),
        ({}, {"token_url": "sso.auth.mparticle.com/oauth/token"}, "token_url"),
    ],
)
def test_credentials_are_never_sent_without_encryption(
    set_connection: Set, fields: dict[str, Any], extra: dict[str, Any], named: str
) -> None:
    """Plain http is only for the simulator on this machine."""
    set_connection(extra, **fields)

    message = refusal()

    assert message.startswith(f"{named} of Airflow connection 'mparticle_default' must start with https://")


@pytest.mark.parametrize("field", ["host", "token_url"])
def test_an_address_with_a_password_is_refused_without_showing_it(set_connection: Set, field: str) -> None:
    """Otherwise every error message with the address would contain the password."""
    address = f"https://user:{SECRET}@api.mparticle.com"
    set_connection(**({"host": address} if field == "host" else {"extra": {"token_url": address}}))

    message = refusal()

    assert message.startswith(f"{field} of Airflow connection 'mparticle_default'")
    assert SECRET not in message


@pytest.mark.parametrize(
    ("fields", "extra", "named"),
    [
        ({"login": None}, {}, "login"),
        ({"login": ""}, {}, "login"),
        ({"password": None}, {}, "password"),
        ({"password": ""}, {}, "password"),
        ({}, {"workspace_id": None}, "workspace_id"),
        ({}, {"workspace_id": ""}, "workspace_id"),
        ({}, {"workspace_id": "main"}, "workspace_id"),
        ({}, {"workspace_id": -1}, "workspace_id"),
        ({}, {"workspace_id": 12.5}, "workspace_id"),
        ({}, {"workspace_id": True}, "workspace_id"),
        ({}, {"workspace_id": [1234]}, "workspace_id"),
        ({}, {"account_id": "x"}, "account_id"),
        ({}, {"account_id": False}, "account_id"),
        ({}, {"timeout": "soon"}, "timeout"),
        ({}, {"timeout": 0}, "timeout"),
        ({}, {"timeout": -3}, "timeout"),
        ({}, {"timeout": "inf"}, "timeout"),
        ({}, {"timeout": "nan"}, "timeout"),
        ({}, {"timeout": True}, "timeout"),
        ({}, {"timeout": [60]}, "timeout"),
        ({}, {"audience": 7}, "audience"),
        ({}, {"token_url": ["https://sso.example.com"]}, "token_url"),
        ({}, {"routes": "/data-pipelines"}, "routes"),
        ({}, {"routes": '["/data-pipelines"]'}, "routes"),
        ({}, {"routes": 5}, "routes"),
        ({}, {"routes": []}, "routes"),
        ({}, {"routes": {"pipelines": "data-pipelines"}}, "routes: pipelines"),
        ({}, {"routes": {"pipeline": "/data-pipelines"}}, "routes: pipeline"),
        ({}, {"routes": {"pipeline": "/data-pipelines/{id}"}}, "routes: pipeline"),
        ({}, {"routes": {"pipeline": "/data-pipelines/{pipeline_id"}}, "routes: pipeline"),
        ({}, {"routes": {"pipelines": None}}, "routes: pipelines"),
        ({}, {"run_states": "succeeded"}, "run_states"),
        ({}, {"run_states": {"completed": ["succeeded"]}}, "run_states: 'completed'"),
        ({}, {"run_fields": "[]"}, "run_fields"),
        ({}, {"run_fields": {"state": "runStatus"}}, "run_fields: state"),
        ({}, {"run_fields": {"state": [7]}}, "run_fields: state"),
    ],
)
def test_a_bad_field_is_named_before_anything_is_sent(
    set_connection: Set, simulator: Simulator, fields: dict[str, Any], extra: dict[str, Any], named: str
) -> None:
    """The message names the field and the connection."""
    here = simulator.airflow_connection()
    set_connection({"token_url": here["extra"]["token_url"], **extra}, **{"host": here["host"], **fields})

    message = refusal()

    assert named in message
    assert "Airflow connection 'mparticle_default'" in message
    assert "Nothing was sent" in message
    assert SECRET not in message
    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("extra", "unknown", "known"),
    [
        ({"routes": {"pipelnes": "/data-pipelines"}}, "pipelnes", "pipelines"),
        ({"run_states": {"completed": "success"}}, "success", "succeeded"),
        ({"run_fields": {"status": ["runStatus"]}}, "status", "state"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_names(
    set_connection: Set, extra: dict[str, Any], unknown: str, known: str
) -> None:
    """A correction without effect would be hard to find."""
    set_connection(extra)

    message = refusal()

    assert f"{unknown!r}" in message
    assert known in message.replace(repr(unknown), "")


@pytest.mark.parametrize("write", [dict, json.dumps], ids=["as an object", "as text"])
def test_what_is_assumed_of_mparticle_can_be_corrected(set_connection: Set, write: Callable[[Any], Any]) -> None:
    """Routes, field names and state words are assumptions, and the form may pass text."""
    set_connection(
        {
            "routes": write({"pipelines": "/data-pipelines"}),
            "run_states": write({" Completed ": "succeeded"}),
            "run_fields": write({"state": ["runStatus"]}),
        }
    )

    read = config()

    assert "/data-pipelines" == read.routes["pipelines"]
    assert DEFAULT_ROUTES["pipeline"] == read.routes["pipeline"]
    assert Progress.SUCCEEDED is read.run_states["completed"]
    assert Progress.FAILED is read.run_states["failed"]
    assert "runStatus" == read.run_fields["state"][0]
    assert set(RUN_FIELDS["state"]) < set(read.run_fields["state"])


def test_corrections_are_used_in_requests(set_connection: Set, start_simulator: Callable[..., Simulator]) -> None:
    """A corrected route, state word and field name are used."""
    simulator = start_simulator(layout="v1")
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "completed")
    here = simulator.airflow_connection()
    corrected = {"run_states": {"completed": "succeeded"}, "run_fields": {"successful_records": ["records_extracted"]}}
    set_connection({**here["extra"], **corrected}, **{k: here[k] for k in ("login", "password", "host")})

    read = MParticleHook().get_pipeline_run("orders", run["pipeline_run_id"])

    assert Progress.SUCCEEDED is read.progress
    assert 1 == simulator.count("GET", f"/data-pipelines/orders/runs/{run['pipeline_run_id']}")


def test_the_secret_is_in_no_repr(set_connection: Set) -> None:
    """A configuration may be in logs, and in the local variables of error reports."""
    set_connection()
    hook = MParticleHook()

    shown = repr(hook.get_conn().config), repr(hook.get_conn()), repr(vars(hook)), repr(vars(hook.get_conn()))

    assert "'id'" in shown[0]
    assert [] == [text for text in shown if SECRET in text]


ODD = [
    *(
        "",
        " ",
        "x",
        "\uff15",
        "12 ",
        "1.0",
        "inf",
        "\ud800",
        "[",
        "[" * 100_000,
        '{"a":' * 100_000,
        "x" * 1_000_000,
        "null",
    ),
    *(0, -1, 7.0, float("inf"), float("nan"), 10**400, True, [], [1], {}, {"a": 1}, {"pipelines": 5}, {"state": [7]}),
    *({"x" * 5000: "succeeded"}, {"pipelines": "x" * 5000}, {"done": "x" * 5000}, {"state": ["x" * 5000, 7]}),
]


@pytest.mark.parametrize("name", ["workspace_id", *EXTRA_FIELDS])
def test_any_value_of_a_field_is_read_or_refused_in_a_few_words(name: str) -> None:
    """Every error is ours, names the connection, and is short."""
    conn = Connection(conn_id="nightly", conn_type="mparticle", login="id", password=SECRET)
    refusals = []
    for value in ODD:
        try:
            api_config(conn, {"workspace_id": 12, name: value})
        except ConfigError as error:
            refusals.append(str(error))

    assert refusals
    assert all("'nightly'" in said and len(said) < 1000 and ",," not in said for said in refusals)


@pytest.mark.parametrize("name", EXTRA_FIELDS)
def test_a_client_secret_in_the_wrong_field_is_not_shown(set_connection: Set, name: str) -> None:
    """Users mix up fields, and the error is logged."""
    set_connection(extra={name: SECRET})

    shown = ""
    try:
        config()
    except ConfigError as error:
        shown = "".join(traceback.format_exception(error))

    assert SECRET not in shown


@pytest.mark.parametrize(
    ("host", "port"),
    [
        *(("https://x?y=1", None), ("https://x/y?", None), ("https://x/y", 443), ("x/y", 443)),
        *(("x:8443", 443), ("x", 70_000), ("https://user:pw@x", None), ("https://x#y", None), ("http://x", None)),
    ],
)
def test_a_host_that_would_lead_elsewhere_is_refused(set_connection: Set, host: str, port: int | None) -> None:
    """With a query, or a port after a path, all calls would go to one address."""
    set_connection(host=host, port=port)

    assert "host of Airflow connection 'mparticle_default'" in refusal()


def test_an_extra_that_is_not_an_object_is_refused() -> None:
    """A secrets backend may return any JSON."""
    conn = Connection(conn_id="nightly", conn_type="mparticle", login="id", password=SECRET)

    with pytest.raises(ConfigError, match="The extra of Airflow connection 'nightly' is not a JSON object"):
        api_config(conn, ["workspace_id"])  # type: ignore[arg-type]  # on purpose


@st.composite
def misspelt(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a field of an extra, and its name in another case, with other separators, or with one wrong letter."""
    name = draw(st.sampled_from(sorted(EXTRA_FIELDS)))
    words = name.split("_")
    camel = words[0] + "".join(map(str.capitalize, words[1:]))
    at = draw(st.integers(1, len(name) - 1))
    wrong = [name[:at] + name[at + 1 :], f"{name[:at]}x{name[at:]}", f"{name[:at]}{name[at - 1]}{name[at:]}"]
    other = draw(
        st.sampled_from([camel, name.upper(), "-".join(words), f"{name} ", *(wrong if len(name) > len("pod") else [])])
    )
    assume(other != name)
    return name, other


@given(misspelt())
def test_a_misspelt_field_of_an_extra_is_named(drawn: tuple[str, str]) -> None:
    """It was ignored without a word. A key of the user's own breaks nothing."""
    name, other = drawn
    conn = Connection(conn_id="nightly", conn_type="mparticle", login="id", password=SECRET)
    extra = {"workspace_id": 1234, "owner": "growth", other: "s0me-value"}
    if name == "workspace_id":
        del extra[name]
        with pytest.raises(ConfigError) as refused:
            api_config(conn, extra)
        hint = str(refused.value)
    else:
        hint = api_config(conn, extra).hint

    assert f"Its extra has {other!r}, which is not a field: is {name} meant?" in hint
    assert "s0me-value" not in hint
    assert "owner" not in hint


def test_a_misspelt_field_is_in_the_log(set_connection: Set, caplog: pytest.LogCaptureFixture) -> None:
    """Each task that reads the connection says it, but not if the field itself is there too."""
    set_connection(extra={"accountId": 5678})
    assert config().account_id is None
    assert "Airflow connection 'mparticle_default' has a key that is ignored. Its extra has 'accountId'" in caplog.text

    caplog.clear()
    set_connection(extra={"account": "Acme", "account_id": 5678, "pod": "", "podcast": "x"})
    assert 5678 == config().account_id
    assert "ignored" not in caplog.text


@pytest.mark.parametrize("extra", ["{", "workspace_id=1234", "{'workspace_id': 1234}", '{"workspace_id": 1234,}'])
def test_an_extra_that_is_not_json_is_named(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    """Airflow only logs it, and gives an empty extra; some versions do not read such a connection at all."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_MPARTICLE_DEFAULT",
        json.dumps({"conn_type": "mparticle", "login": "id", "password": SECRET, "extra": extra}),
    )

    not_json = "has no workspace_id. Its extra is not JSON, so no field of it can be read. Nothing was sent"
    assert re.search(f"{re.escape(not_json)}|^Airflow cannot read Airflow connection", refusal())


@pytest.mark.parametrize(
    "value",
    [
        *("", "{", '{"conn_type": "mparticle", "workspace_id": 1234}', '{"conn_type": "mparticle", "port": "x"}'),
        *("mparticle://id:k33p-this/one@host/", "mparticle://id:k33p-this@host:port/"),
    ],
)
def test_a_connection_that_airflow_cannot_read_is_not_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The user sees it in the environment, and would look for it in vain."""
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", value)

    said = refusal()

    assert "cannot read Airflow connection 'mparticle_default' from the environment variable AIRFLOW_CONN_MPART" in said
    assert "k33p-this" not in said


@pytest.mark.parametrize("field", ["token_url", "audience", "app_link", "warehouse_namespace", "pod"])
def test_white_space_around_a_text_is_left_out(set_connection: Set, field: str) -> None:
    """No form shows it."""
    value = "eu1" if field == "pod" else "https://eu.example.com/x"
    set_connection(extra={field: value})
    read = config()

    set_connection(extra={field: f" {value}\n"})

    assert read == config()
