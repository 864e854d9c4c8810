"""Hosts, origins and urls as people type them."""

from __future__ import annotations

import pytest

from imjoy.model.web_names import InvalidWebName, allowed_host, base_url, listening_host, origin


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("https://lab.example.org", "https://lab.example.org"),
        ("https://lab.example.org/", "https://lab.example.org"),
        ("https://lab.example.org:443", "https://lab.example.org"),
        ("http://lab.example.org:80/", "http://lab.example.org"),
        ("http://lab.example.org:443", "http://lab.example.org:443"),
        (" HTTPS://Lab.Example.ORG:8443 ", "https://lab.example.org:8443"),
        ("https://Bücher.example", "https://xn--bcher-kva.example"),
        ("http://[2001:DB8:0::1]:8080", "http://[2001:db8::1]:8080"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_an_origin_has_the_form_that_browsers_send(typed: str, sent: str) -> None:
    assert origin(typed) == sent


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "lab.example.org",
        "lab.example.org:443",
        "//lab.example.org",
        "https://",
        "https:lab",
        "*",
        "null",
        "https://*.example.org",
        "https://me@lab.example.org",
        "https://lab.example.org/app",
        "https://a b",
        "https://lab.example.org?x",
        "https://lab.example.org:99999",
        "https://[::1",
        "1://x",
    ],
)
def test_what_no_browser_ever_sends_as_an_origin_is_refused(typed: str) -> None:
    with pytest.raises(InvalidWebName):
        origin(typed)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Lab.Example.org", "lab.example.org"),
        ("lab.example.org:8443", "lab.example.org"),
        ("[::1]", "::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("node_7", "node_7"),
    ],
)
def test_a_name_has_the_form_of_a_host_header(typed: str, name: str) -> None:
    assert allowed_host(typed) == name


@pytest.mark.parametrize(
    "typed", ["", "*", "*.org", "https://lab.example.org", "a/b", "a b", "me@lab", "a..b", "-"]
)
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(InvalidWebName):
        allowed_host(typed)


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("Localhost", "localhost"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        (" 10.0.0.7 ", "10.0.0.7"),
    ],
)
def test_an_address_to_listen_on_has_its_usual_spelling(typed: str, host: str) -> None:
    assert listening_host(typed) == host


@pytest.mark.parametrize(
    "typed", ["", " ", "*", "0", "127.1", "0x7f000001", "1.2.3", "127.0.0.1:80", "a b", "http://a"]
)
def test_what_resolvers_take_for_an_address_and_nobody_means_is_refused(typed: str) -> None:
    with pytest.raises(InvalidWebName):
        listening_host(typed)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("https://lab.example.org/", "https://lab.example.org"),
        (
            "https://Hub.Example.org:443/user/ada@x.org/proxy/8080/",
            "https://hub.example.org/user/ada@x.org/proxy/8080",
        ),
        ("http://127.0.0.1:8000/imjoy", "http://127.0.0.1:8000/imjoy"),
    ],
)
def test_a_base_url_has_no_slash_at_its_end(typed: str, url: str) -> None:
    assert base_url(typed) == url


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "/imjoy",
        "lab.example.org/x",
        "ftp://a/b",
        "https://a/b?c",
        "https://a/b#c",
        "https://a/../b",
        "https://a//b",
        "https://a/b c",
        "https://a/%2e%2e",
        "https://me:pw@a/b",
        'https://a/"b',
    ],
)
def test_what_no_path_can_follow_is_no_base_url(typed: str) -> None:
    with pytest.raises(InvalidWebName):
        base_url(typed)
