"""Proxies and certificates from the environment: what each variable means, and how a wrong one is refused."""

from __future__ import annotations

import base64
import ipaddress
from pathlib import Path

import certifi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.network import Network, is_loopback

API = "https://api.mparticle.com/platform/v2"
PROXY = "http://proxy.example.com:3128"


def proxy_url(environ: dict[str, str], url: str = API) -> str | None:
    proxy = Network(environ).proxy_for(url)
    return proxy.url if proxy else None


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_is_found_in_either_case(name: str) -> None:
    """Tools use different cases, so users set both."""
    assert proxy_url({name: PROXY}) == PROXY


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(
            {"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, "http://lower:1", id="lower case"
        ),
        pytest.param(
            {"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://one:1"}, "http://one:1", id="the specific one"
        ),
        pytest.param({"HTTPS_PROXY": "", "ALL_PROXY": "http://all:1"}, "http://all:1", id="an empty one is not set"),
        pytest.param({"HTTPS_PROXY": "http://upper:1", "https_proxy": ""}, None, id="emptied in lower case"),
        pytest.param({"HTTP_PROXY": PROXY}, None, id="of the other scheme"),
        pytest.param({"HTTPS_PROXY": "proxy.example.com:3128"}, PROXY, id="without a scheme"),
        pytest.param({"HTTPS_PROXY": " http://proxy.example.com:3128/ "}, PROXY, id="with a slash and spaces"),
        pytest.param({"HTTPS_PROXY": "proxy.example.com"}, "http://proxy.example.com:80", id="without a port"),
        pytest.param({"HTTPS_PROXY": "https://proxy.example.com"}, "https://proxy.example.com:443", id="encrypted"),
        pytest.param({"HTTPS_PROXY": "http://[2001:db8::1]:3128"}, "http://[2001:db8::1]:3128", id="IPv6"),
    ],
)
def test_the_proxy_of_an_environment(environ: dict[str, str], expected: str | None) -> None:
    """Both drivers use it, so a variable has one meaning."""
    assert expected == proxy_url(environ)


def test_the_login_of_a_proxy_is_kept_apart_from_its_address() -> None:
    """Addresses are shown in messages and logs."""
    proxy = Network({"HTTPS_PROXY": "http://us%40er:p%3Ass@proxy.example.com:3128"}).proxy_for(API)

    assert proxy is not None
    assert proxy.url == PROXY
    assert proxy.headers == {"Proxy-Authorization": "Basic " + base64.b64encode(b"us@er:p:ss").decode()}
    assert "p%3A" not in repr(proxy)
    assert base64.b64encode(b"us@er:p:ss").decode() not in repr(proxy)


@pytest.mark.parametrize("value", ["socks5://u:PROXYPASS@proxy:1080", "socks4a://proxy", "socks5h://proxy:1080"])
def test_a_socks_proxy_is_refused_clearly(value: str) -> None:
    """One driver would need a library that is missing, and the other does not know the scheme."""
    with pytest.raises(ConfigError, match="HTTPS_PROXY names a SOCKS proxy, which is not supported") as caught:
        Network({"HTTPS_PROXY": value})

    assert "PROXYPASS" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        *("http://u:PROXYPASS/x@proxy:3128", "http://u:PROXY#PASS@proxy:3128", "http://u:PROXY?PASS@proxy:3128"),
        *(
            "ftp://proxy:21",
            "http://",
            "http://:3128",
            "http://proxy:many",
            "http://proxy:99999",
            "http://[::1",
            "http://pro xy",
            "http://a..b",
        ),
    ],
)
def test_a_malformed_proxy_is_refused_without_showing_it(value: str) -> None:
    """A password with special characters makes an address malformed, and must still not be shown."""
    with pytest.raises(ConfigError, match="all_proxy is not the address of a proxy") as caught:
        Network({"all_proxy": value})

    assert "PASS" not in str(caught.value)


@pytest.mark.parametrize(
    ("exceptions", "url", "is_direct"),
    [
        ("*", API, True),
        ("mparticle.com", API, True),
        (".mparticle.com", API, True),
        ("*.mparticle.com", API, True),
        ("API.MPARTICLE.COM", API, True),
        ("api.mparticle.com:443", API, True),
        ("api.mparticle.com:8443", API, False),
        ("api.mparticle.com:8443", "https://api.mparticle.com:8443/x", True),
        ("particle.com", API, False),
        ("", API, False),
        (",, ,", API, False),
        ("a.example b.example,mparticle.com", API, True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.1.2.3/8", "https://10.200.0.1/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3:8443/", True),
        ("10.1.2.3:443", "https://10.1.2.3/", True),
        ("10.1.2.3:444", "https://10.1.2.3/", False),
        ("2001:db8::/32", "https://[2001:db8::7]/", True),
        ("[2001:db8::7]:443", "https://[2001:db8::7]/", True),
        ("[2001:db8::7]", "https://[2001:db8::7]/", True),
        ("2001:db8::8", "https://[2001:db8::7]/", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_an_exception_is_reached_directly(name: str, exceptions: str, url: str, is_direct: bool) -> None:
    """The two libraries read this list differently: networks, ports and dots."""
    assert is_direct == (proxy_url({"HTTPS_PROXY": PROXY, name: exceptions}, url) is None)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1:8080/x",
            "http://localhost/",
            "https://localhost:8443",
            "http://[::1]:80",
            "http://127.8.9.1",
        ),
        *("https://[::ffff:127.0.0.1]/", "https://api.localhost/", "https://LOCALHOST./"),
    ],
)
def test_this_machine_is_never_reached_by_proxy(url: str) -> None:
    """The secret would leave the machine without encryption, while http:// is allowed only for this machine."""
    assert proxy_url({"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY}, url) is None


@pytest.mark.parametrize("host", ["localhost.example.com", "128.0.0.1", "mylocalhost", "0.0.0.0", "", "::2"])  # noqa: S104 - no socket
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    """It may get requests without encryption, so a similar name must not pass."""
    assert not is_loopback(host)


@settings(max_examples=300)
@given(st.ip_addresses(), st.integers(0, 128), st.integers(1, 65535))
def test_every_address_is_in_its_own_networks(address: ipaddress.IPv4Address, prefix: int, port: int) -> None:
    """A network may be written with a host part or without."""
    host = f"[{address}]" if address.version == 6 else str(address)
    bits = min(prefix, address.max_prefixlen)
    network = ipaddress.ip_network(f"{address}/{bits}", strict=False)

    for exception in (str(network), f"{address}/{bits}", str(address), f"{host}:{port}"):
        assert proxy_url({"HTTPS_PROXY": PROXY, "NO_PROXY": exception}, f"https://{host}:{port}/") is None


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["https_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY"]), st.text()))
def test_any_text_is_read_or_refused(environ: dict[str, str]) -> None:
    """For any value of a variable, the result is a proxy, none, or an error that names the variable."""
    try:
        said = str(Network(environ).proxy_for(API))
    except ConfigError as error:
        said = str(error)

    assert said.startswith(("None", "Proxy(url='http", *(f"{name} " for name in environ)))


# Certificates


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_variable_names_the_certificates_that_are_trusted(variable: str) -> None:
    """They replace those of the system."""
    network = Network({variable: certifi.where()})

    assert len(network.tls_context().get_ca_certs()) > 100
    assert variable in network.trust


def test_the_variables_of_requests_come_before_those_of_openssl(tmp_path: Path) -> None:
    """A variable that works for workers works for triggerers."""
    network = Network(
        {"REQUESTS_CA_BUNDLE": certifi.where(), "CURL_CA_BUNDLE": "/no/such", "SSL_CERT_FILE": "/no/such"}
    )

    assert network.tls_context().get_ca_certs()


def test_the_system_is_trusted_where_no_variable_says_otherwise() -> None:
    """An empty variable counts as not set."""
    assert "certificates of the system" in Network({"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": ""}).trust
    assert Network({}).tls_context().cert_store_stats()["x509_ca"]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_a_file_without_certificates_is_refused_by_the_name_of_its_variable(
    variable: str, content: str | None, tmp_path: Path
) -> None:
    """OpenSSL ignores a missing file, and then trusts no certificate."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=rf"{variable} names '{path}', which (is missing|has no readable)"):
        Network({variable: str(path)}).tls_context()


def test_bytes_in_a_proxy_password_that_are_not_utf_8_are_sent_as_they_are() -> None:
    """Python represents them as lone surrogates."""
    proxy = Network({"https_proxy": "http://user:p\udce9w@proxy:8080"}).proxy_for("https://example.com")

    assert proxy is not None
    assert b"user:p\xe9w" == base64.b64decode(str(proxy.authorization).removeprefix("Basic "))


def test_a_port_of_thousands_of_digits_in_an_exception_is_not_one() -> None:
    """Python refuses to read such numbers."""
    network = Network({"https_proxy": "http://proxy:8080", "no_proxy": f"example.com:{'9' * 5000}"})

    assert network.proxy_for("https://example.com") is not None
