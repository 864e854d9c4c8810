"""uv is told what the user told pip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imjoy.effects.tools import pip_settings
from imjoy.effects.tools.pip_settings import (
    no_proxy_of,
    read_pip_settings,
    refuse_hashes,
    refuse_missing_constraint,
    system_proxies,
    trust_variables,
    uv_options,
    uv_variables,
    with_pip_settings,
)
from imjoy.model.errors import ImJoyError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pip's configuration files of POSIX systems")


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home and system folders without any configuration."""
    monkeypatch.setattr(pip_settings, "SYSTEM_FOLDER", tmp_path / "etc")
    return {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "PIP_CONFIG_FILE": str(tmp_path / "none.conf"),
    }


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_later_places_replace_earlier_ones(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = http://global/\ntimeout = 7\n")
    write(tmp_path / "home/.pip/pip.conf", "[global]\nindex_url = http://old-user/\n")
    assert read_pip_settings(environ)["index-url"] == "http://old-user/"
    write(
        tmp_path / "config/pip/pip.conf",
        "[global]\nindex-url = http://user/\n[install]\nindex-url=http://install/\n",
    )
    assert read_pip_settings(environ)["index-url"] == "http://install/"
    write(tmp_path / "none.conf", "[global]\nindex-url = http://file/\n")
    assert read_pip_settings(environ)["index-url"] == "http://file/"
    environ["PIP_INDEX_URL"] = "http://variable/"
    assert read_pip_settings(environ)["index-url"] == "http://variable/"
    assert read_pip_settings(environ)["timeout"] == "7"


def test_no_file_is_read_when_the_user_said_so(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = http://user/\n")
    environ["PIP_CONFIG_FILE"] = os.devnull
    assert "index-url" not in read_pip_settings(environ)


def test_a_broken_file_is_passed_over(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "config/pip/pip.conf", "no section\n[")
    (tmp_path / "none.conf").write_bytes(b"[global]\nindex-url = \xff\xfe")
    assert "index-url" not in read_pip_settings(environ)


@pytest.mark.parametrize(
    "text", ["[global]\nindex-url = a\nindex-url = b\n", "[global]\nindex-url = a\n[global]\n"]
)
def test_a_file_that_says_a_thing_twice_is_passed_over(
    tmp_path: Path, environ: dict[str, str], text: str
) -> None:
    write(tmp_path / "config/pip/pip.conf", text)
    assert "index-url" not in read_pip_settings(environ)
    assert "PIP_INDEX_URL" not in with_pip_settings(environ)


def test_every_setting_gets_the_name_that_uv_knows(tmp_path: Path, environ: dict[str, str]) -> None:
    for name in ("wheels", "more", "ca.pem", "pins.txt"):
        write(tmp_path / name, "")
    environ.update(
        PIP_INDEX_URL="https://me:secret@host/simple",
        PIP_EXTRA_INDEX_URL="https://one/simple https://two/simple",
        PIP_FIND_LINKS=f"{tmp_path / 'wheels'} file://{tmp_path / 'more'} https://links/",
        PIP_TRUSTED_HOST="host",
        PIP_CONSTRAINT=str(tmp_path / "pins.txt"),
        PIP_DEFAULT_TIMEOUT="15.5",
        PIP_CERT=str(tmp_path / "ca.pem"),
        PIP_PROXY="http://proxy:3128",
    )
    assert uv_variables(environ) == {
        "UV_DEFAULT_INDEX": "https://me:secret@host/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{tmp_path / 'wheels'},{tmp_path / 'more'},https://links/",
        "UV_INSECURE_HOST": "host",
        "UV_CONSTRAINT": str(tmp_path / "pins.txt"),
        "UV_HTTP_TIMEOUT": "15",
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "ALL_PROXY": "http://proxy:3128",
    }


def test_places_that_are_not_there_are_left_out(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["PIP_FIND_LINKS"] = f"{tmp_path / 'gone'} file:///nowhere"
    assert uv_variables(environ) == {}


def test_what_was_configured_for_uv_wins(tmp_path: Path, environ: dict[str, str]) -> None:
    environ.update(
        PIP_INDEX_URL="http://pip/", PIP_EXTRA_INDEX_URL="http://more/", PIP_NO_INDEX="1", PIP_TIMEOUT="9"
    )
    assert uv_variables({**environ, "UV_DEFAULT_INDEX": "http://uv/"}) == {"UV_HTTP_TIMEOUT": "9"}
    write(tmp_path / "config/uv/uv.toml", '[[index]]\nurl = "http://uv/"\n')
    assert uv_variables(environ) == {"UV_HTTP_TIMEOUT": "9"}
    assert uv_options(environ) == ()


@pytest.mark.parametrize(
    ("value", "options"), [("1", ("--no-index",)), ("true", ("--no-index",)), ("0", ()), ("", ())]
)
def test_no_index_is_an_option(environ: dict[str, str], value: str, options: tuple[str, ...]) -> None:
    assert uv_options({**environ, "PIP_NO_INDEX": value}) == options


def test_certificates_named_for_one_tool_are_trusted_by_all(tmp_path: Path, environ: dict[str, str]) -> None:
    assert trust_variables(environ) == {}
    bundle = tmp_path / "institution.pem"
    bundle.touch()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"):
        told = {name: str(bundle), **trust_variables({**environ, name: str(bundle)})}
        assert set(told.values()) == {str(bundle)}
        assert {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"} <= told.keys()


def test_what_was_named_for_a_tool_itself_stays(tmp_path: Path, environ: dict[str, str]) -> None:
    pip_s, ours, uv_s = (tmp_path / f"{name}.pem" for name in ("pip", "ours", "uv"))
    for each in (pip_s, ours, uv_s):
        each.touch()
    write(tmp_path / "config/pip/pip.conf", f"[global]\ncert = {pip_s}\n")
    assert trust_variables(environ)["SSL_CERT_FILE"] == str(pip_s)
    environ["REQUESTS_CA_BUNDLE"] = str(ours)
    assert trust_variables(environ)["SSL_CERT_FILE"] == str(ours), (
        "the variable wins over pip's files for pip too"
    )
    environ["SSL_CERT_FILE"] = str(uv_s)
    assert "SSL_CERT_FILE" not in trust_variables(environ)
    environ = {**environ, "REQUESTS_CA_BUNDLE": str(tmp_path / "gone.pem")}
    assert trust_variables(environ)["CURL_CA_BUNDLE"] == str(pip_s), "a file that is not there helps nobody"


def test_a_folder_of_certificates_is_told_as_one(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["REQUESTS_CA_BUNDLE"] = str(tmp_path)
    assert trust_variables(environ) == {"SSL_CERT_DIR": str(tmp_path)}


def test_a_constraints_file_that_is_not_there_is_told(tmp_path: Path, environ: dict[str, str]) -> None:
    refuse_missing_constraint(environ)
    environ["PIP_CONSTRAINT"] = str(tmp_path / "gone.txt")
    with pytest.raises(ImJoyError) as refused:
        refuse_missing_constraint(environ)
    assert (refused.value.id, str(tmp_path / "gone.txt") in refused.value.what) == ("env.constraint", True)
    (tmp_path / "gone.txt").touch()
    refuse_missing_constraint(environ)


@pytest.mark.parametrize("setting", ["1", "true", "yes"])
def test_a_site_that_requires_hashes_is_obeyed_in_words(environ: dict[str, str], setting: str) -> None:
    refuse_hashes({**environ, "PIP_REQUIRE_HASHES": "0"})
    with pytest.raises(ImJoyError) as refused:
        refuse_hashes({**environ, "PIP_REQUIRE_HASHES": setting})
    assert (refused.value.id, "imjoy lock" in refused.value.fix) == ("env.hashes", True)


def test_the_proxies_of_the_system_s_settings_are_told_where_no_variable_names_one(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"http": "http://proxy:3128", "https": "http://proxy:3128", "no": "localhost"}
    monkeypatch.setattr("urllib.request.getproxies", lambda: found)
    assert system_proxies(environ) == {}, "elsewhere there are none"
    monkeypatch.setattr("imjoy.effects.tools.pip_settings.sys.platform", "darwin")
    monkeypatch.setattr("imjoy.effects.tools.pip_settings._system_exceptions", lambda: ["*.institute"])
    proxies = {"HTTP_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128"}
    assert system_proxies(environ) == {**proxies, "NO_PROXY": "localhost,127.0.0.1,.institute"}
    assert system_proxies({**environ, "no_proxy": "mine"}) == proxies
    assert system_proxies({**environ, "https_proxy": "http://mine"}) == {}
    found.clear()
    assert system_proxies(environ) == {}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("*.Institute", ".institute"),
        ("packages.institute", "packages.institute"),
        ("https://packages.institute:8443", "packages.institute:8443"),
        ("169.254/16", "169.254.0.0/16"),
        ("10.*", "10.0.0.0/8"),
        (" 192.168.* ", "192.168.0.0/16"),
        ("192.168.1.7", "192.168.1.7"),
        ("*", "*"),
        ("<local>", ""),
        ("*institute*", ""),
        ("", ""),
    ],
)
def test_what_a_system_excepts_from_its_proxy_is_said_in_the_form_of_no_proxy(
    pattern: str, said: str
) -> None:
    assert no_proxy_of([pattern]) == ",".join(filter(None, ["localhost", "127.0.0.1", said]))


def test_no_setting_has_an_install_go_elsewhere(tmp_path: Path, environ: dict[str, str]) -> None:
    """``target`` would have all of imjoy written there; no variable takes it back, as pip passes over empty ones."""
    write(
        tmp_path / "config/pip/pip.conf",
        "[global]\ntarget = /elsewhere\nindex-url = http://mine/\n[install]\nuser = true\nrequire-virtualenv = true\n",
    )
    obeyed = with_pip_settings({**environ, "PIP_PREFIX": "/elsewhere", "PIP_DRY_RUN": "1"})
    pip = {name: value for name, value in obeyed.items() if name.startswith("PIP_")}
    assert pip == {"PIP_INDEX_URL": "http://mine/", "PIP_USER": "0", "PIP_CONFIG_FILE": os.devnull}
