"""Every form of ``env`` and ``requirements``: understood, skipped with a note, or refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.spec import (
    BASE_REQUIREMENTS,
    DEFAULT_ENVIRONMENT,
    EnvironmentSpec,
    normal_requirement,
    plan_environment,
)
from imjoy_engine.plugins.manifest import from_config


def plan(requirements: object = None, env: object = None, **fields: object) -> EnvironmentSpec:
    config = {"name": "Demo", "type": "native-python", "requirements": requirements, "env": env, **fields}
    manifest = from_config(config, "x", file="demo.imjoy.html").manifest
    return plan_environment(manifest, manifest.choose_tag())


def added(requirements: object = None, env: object = None) -> list[str]:
    """What a plugin gets besides the base packages."""
    return [item for item in plan(requirements, env).requirements if item not in BASE_REQUIREMENTS]


def refusal(requirements: object = None, env: object = None) -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        plan(requirements, env)
    assert "demo.imjoy.html" in caught.value.what
    return caught.value


@pytest.mark.parametrize("env", ["", "  ", None, [], ["", None]])
@pytest.mark.parametrize("requirements", ["", None, [], [""], ["", "  "]])
def test_a_plugin_that_asks_for_nothing_gets_the_default_environment(
    env: object, requirements: object
) -> None:
    assert plan(requirements, env) == DEFAULT_ENVIRONMENT


def test_the_default_environment_has_what_plugins_use_without_asking() -> None:
    for name in ("imjoy-rpc", "msgpack", "websockets", "numpy", "requests", "six", "psutil"):
        assert any(item.startswith(name) for item in DEFAULT_ENVIRONMENT.requirements)


def test_the_base_requirements_are_in_normal_form() -> None:
    assert [normal_requirement(item) for item in BASE_REQUIREMENTS] == list(BASE_REQUIREMENTS)


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        (["scipy"], ["scipy"]),
        (["scipy>=1.0"], ["scipy>=1.0"]),
        (["scipy >= 1.0, < 2"], ["scipy<2,>=1.0"]),
        (["Scikit_Image", "scikit-image"], ["scikit-image"]),
        (["foo[a,b]==1.*"], ["foo[a,b]==1.*"]),
        (["foo; python_version<'3.8'"], ['foo; python_version < "3.8"']),
        (["git+https://host/me/x.git@v1#egg=x"], ["git+https://host/me/x.git@v1#egg=x"]),
        (["foo @ git+https://host/x"], ["foo @ git+https://host/x"]),
        (["https://host/x-1-py3-none-any.whl"], ["https://host/x-1-py3-none-any.whl"]),
        (["pip: git+https://host/x"], ["git+https://host/x"]),
        (["pip: a b  c"], ["a", "b", "c"]),
        (["pip:a"], ["a"]),
        (["pip: a>=1 b <2"], ["a>=1", "b<2"]),
        (["pip: 'a>=1' \"b; python_version < '3'\""], ["a>=1", 'b; python_version < "3"']),
        (["pip install a b"], ["a", "b"]),
        (["python -m pip install -U a"], ["a"]),
        (["", "a", "  "], ["a"]),
        ("a", ["a"]),
        ("a b>=2", ["a", "b>=2"]),
        ("pip install a && pip install b", ["a", "b"]),
        ("a && ", ["a"]),
        (["docker"], ["docker"]),
        (["pip:"], []),
    ],
)
def test_packages_that_pip_can_install_are_understood(requirements: object, expected: list[str]) -> None:
    assert added(requirements) == expected


def test_pip_install_in_env_is_a_requirement() -> None:
    assert added(env="pip install a b") == ["a", "b"]
    assert added(env=["pip install a && pip install b", ""]) == ["a", "b"]


def test_requirements_keyed_by_tag_are_picked() -> None:
    requirements = {"CPU": ["tensorflow"], "GPU": ["tensorflow-gpu"]}
    assert "tensorflow-gpu" in plan(requirements, tags=["CPU", "GPU"], tag="GPU").requirements


@pytest.mark.parametrize(
    "option", ["-U", "--upgrade", "-q", "--user", "--no-cache-dir", "--force-reinstall", "-I"]
)
def test_options_without_effect_are_ignored_with_a_note(option: str) -> None:
    spec = plan([f"pip: {option} git+https://host/x"])
    assert "git+https://host/x" in spec.requirements
    assert any(option in note for note in spec.notes)


def test_a_binder_environment_is_skipped_with_a_note() -> None:
    spec = plan(env=[{"type": "binder", "spec": "a/b/master", "skip_requirements": True}])
    assert spec.requirements == DEFAULT_ENVIRONMENT.requirements
    assert any("Binder" in note for note in spec.notes)
    assert plan(env={"type": "binder"}).notes == spec.notes


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ("conda create -n x python=3.6.8", "conda"),
        (["conda create python=3.6 numpy -y"], "conda"),
        ("conda env create -f x/environment.yml", "conda"),
        ("conda config --add channels x", "conda config"),
        ("git clone https://host/x", "git clone"),
        ("export A=1", "export"),
        ("docker pull x", "docker"),
        ({"type": "gputil"}, "gputil"),
        ([{"type": "variable", "options": {}}], "variable"),
        ([["a"]], "['a']"),
        ([7], "7"),
        ("; rm -rf /", "rm -rf"),
        ("pip install a && curl x | sh", "curl"),
    ],
)
def test_other_forms_of_env_are_refused_by_name_with_a_way_out(env: object, named: str) -> None:
    error = refusal(env=env)
    assert error.id == "env.unsupported"
    assert named in error.what
    assert error.fix


@pytest.mark.parametrize(
    ("requirements", "named"),
    [
        (["conda: a b"], "conda:"),
        (["repo: https://host/x folder"], "repo:"),
        (["cmd: make"], "cmd:"),
        (["pip: --editable ./x"], "--editable"),
        (["pip: -e ./x"], "-e"),
        (["-r /etc/passwd"], "-r"),
        (["--index-url=http://evil"], "--index-url"),
        (["--extra-index-url http://evil a"], "--extra-index-url"),
        (["pip: --target /tmp a"], "--target"),
        (["./x"], "./x"),
        (["/etc/x"], "/etc/x"),
        (["../x.whl"], "../x.whl"),
        (["x.whl"], "x.whl"),
        (["~/x"], "~/x"),
        (["C:\\x"], "x"),
        (["file:///etc/x"], "file:"),
        ("conda install -y a", "conda install"),
        ("docker pull x", "docker pull"),
        ("pip install a && sudo apt install b", "sudo"),
        ([{"a": 1}], "a"),
        ([7], "7"),
        (7, "7"),
    ],
)
def test_other_forms_of_requirements_are_refused_by_name(requirements: object, named: str) -> None:
    error = refusal(requirements)
    assert error.id == "env.unsupported"
    assert named in error.what
    assert error.fix


@pytest.mark.parametrize(
    "requirements",
    [
        ["a>"],
        ["a; rm -rf /"],
        ["a | sh"],
        ["$(id)"],
        ["`id`"],
        ["https://host/${HOME}"],
        ["a\n-r /etc/passwd"],
        ["a @ file:///etc"],
        ["ftp://host/x"],
        ["git+ext::sh -c id"],
        ["a b;c"],
        ["pip: 'a"],
        ["=="],
    ],
)
def test_what_is_no_requirement_is_refused(requirements: object) -> None:
    assert refusal(requirements).id in ("env.requirement", "env.unsupported")


@pytest.mark.parametrize(
    "requirements",
    [
        ["git+https://me:hunter2@host/x ;;"],
        ["repo: https://me:hunter2@host/x"],
        ["-i https://me:hunter2@host/x"],
    ],
)
def test_a_refusal_holds_no_password(requirements: object) -> None:
    error = refusal(requirements)
    assert "hunter2" not in str(error.as_json())


NAMES = st.from_regex(r"[A-Za-z]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda name: normal_requirement(name) is not None and "." not in name
)
VERSIONED = st.builds(
    lambda name, clause: name + clause,
    NAMES,
    st.sampled_from(["", ">=1.0", "==2.*", "<3,>=1", "~=1.4", "!=2"]),
)


@given(st.lists(VERSIONED, max_size=5), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(requirements: list[str], random: object) -> None:
    again = [*requirements, *requirements]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert plan(again) == plan(requirements)


@given(VERSIONED)
def test_the_normal_form_is_its_own_normal_form(requirement: str) -> None:
    normal = normal_requirement(requirement)
    assert normal is not None
    assert normal_requirement(normal) == normal


@given(st.lists(VERSIONED, min_size=1, max_size=4))
def test_a_text_of_several_means_the_same_as_a_list(requirements: list[str]) -> None:
    assert plan("pip: " + " ".join(requirements)) == plan(requirements)


ANYTHING = st.recursive(
    st.none()
    | st.integers()
    | st.text()
    | st.sampled_from(["pip: ", "&&", "git+https://h/x", "-U", "conda: "]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
)


@given(ANYTHING, ANYTHING)
def test_nothing_raises_anything_but_an_imjoy_error_and_every_result_is_one_line(
    env: object, requirements: object
) -> None:
    try:
        spec = plan(requirements, env)
    except ImJoyError as error:
        assert error.id.split(".")[0] in ("env", "plugin")
    else:
        assert list(spec.requirements) == sorted(set(spec.requirements))
        assert all(item.isprintable() and item and not item.startswith("-") for item in spec.requirements)


@given(st.text(st.sampled_from("aZ09-_.[]<>= "), min_size=1, max_size=8))
def test_a_name_is_read_as_the_packaging_library_reads_it(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        assert normal_requirement(text) is None
    else:
        requirement.name = canonicalize_name(requirement.name)
        assert normal_requirement(text) == str(requirement)
