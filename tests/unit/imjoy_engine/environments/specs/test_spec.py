"""Every form of ``env`` and ``requirements``: understood, skipped with a note, or refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.specs.pip_spec_parser import normal_requirement
from imjoy_engine.environments.specs.planning import add_environment_file, plan_environment
from imjoy_engine.environments.specs.spec import (
    BASE_REQUIREMENTS,
    DEFAULT_ENVIRONMENT,
    EnvironmentSpec,
    GpuRequest,
    Repository,
)
from imjoy_engine.environments.specs.spec_errors import SpecErrors
from imjoy_engine.plugin_files.manifest import from_config


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
        ("docker pull x", "docker"),
        ("export A=$HOME", "export"),
        ("conda create --clone base", "--clone"),
        ("conda create --file list.txt", "--file"),
        ("conda env create --dev", "--dev"),
        ({"type": "conda"}, "conda"),
        ([["a"]], "['a']"),
        ([7], "7"),
        ("; rm -rf /", "rm -rf"),
        ("pip install a && curl x | sh", "curl"),
        ({"type": "variable", "options": {"A B": 1}}, "A B"),
        ("git clone --upload-pack=evil https://host/x", "--upload-pack"),
    ],
)
def test_other_forms_of_env_are_refused_by_name_with_a_way_out(env: object, named: str) -> None:
    error = refusal(env=[env] if isinstance(env, dict) else env)
    assert error.id == "env.unsupported"
    assert named in error.what
    assert error.fix


@pytest.mark.parametrize(
    ("requirements", "named"),
    [
        (["--index-url=http://evil"], "--index-url"),
        (["--extra-index-url http://evil a"], "--extra-index-url"),
        (["pip: --target /tmp a"], "--target"),
        (["conda: --revision 2"], "--revision"),
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
        ["/etc/x"],
        ["../x.whl"],
        ["~/x"],
        ["C:\\x"],
        ["file:///etc/x"],
        ["-r /etc/passwd"],
        ["pip: -e ../x"],
        ["pip: -e ./a/../../x"],
        ["repo: https://host/x ../y"],
        ["repo: https://host/x /tmp/y"],
        ["repo: https://host/x a/../../y"],
        ["repo: https://host/x .git"],
        ["repo: https://host/x ~/y"],
        ["repo: https://host/x a\\..\\..\\b"],
        ["repo: https://host/.."],
        "git clone https://host/x -- ../y",
    ],
)
def test_a_path_that_leads_out_of_the_work_folder_is_refused(requirements: object) -> None:
    assert refusal(requirements).id in ("env.folder", "env.unsupported")


def test_an_environment_file_outside_the_work_folder_is_refused() -> None:
    assert refusal(env="conda env create -f ../environment.yml").id == "env.folder"


@pytest.mark.parametrize(
    ("env", "python", "conda", "channels", "label"),
    [
        ("conda create -n x python=3.6.8", "3.6.8", (), ("conda-forge",), "x"),
        ("conda create python=3.7 -y", "3.7", (), ("conda-forge",), ""),
        ("conda create --name=x -y python==3.8.1", "==3.8.1", (), ("conda-forge",), "x"),
        ("conda create --name x python numpy", ">=3.6,<3.15", ("numpy",), ("conda-forge",), "x"),
        ("conda create -nx -cpytorch python=3.7 torch", "3.7", ("torch",), ("pytorch",), "x"),
        ("conda create numpy>=1.0", ">=3.6,<3.15", ("numpy>=1.0",), ("conda-forge",), ""),
        ("conda create 'numpy >=1.0,<2' \"B\"", ">=3.6,<3.15", ("b", "numpy>=1.0,<2"), ("conda-forge",), ""),
        ("conda create -c pytorch -c defaults python>=3.6", ">=3.6", (), ("pytorch", "conda-forge"), ""),
        ("conda create python=3.6 numpy=1.14=py36_0", "3.6", ("numpy=1.14=py36_0",), ("conda-forge",), ""),
        (
            ["conda create -n a python=3.6 gdal", "conda create -n b python=3.7"],
            *("3.7", (), ("conda-forge",), "b"),
        ),
        (
            "conda config --add channels bioconda && conda create -n x python=3.8 && source activate x",
            *("3.8", (), ("bioconda",), "x"),
        ),
        (
            ["conda config --add channels one", "conda config --add channels two", "conda create python=3.8"],
            *("3.8", (), ("two", "one"), ""),
        ),
        (["conda create -n x python=3.8", "conda install -c one gdal"], "3.8", ("gdal",), ("one",), "x"),
        (
            [{"type": "binder", "spec": "a/b"}, "conda create -n x python=3.8"],
            "3.8",
            (),
            ("conda-forge",),
            "x",
        ),
    ],
)
def test_conda_environments_are_understood(
    env: object, python: str, conda: tuple[str, ...], channels: tuple[str, ...], label: str
) -> None:
    spec = plan(env=env)
    assert (spec.python, spec.conda, spec.channels, spec.label) == (python, conda, channels, label)


@pytest.mark.parametrize(
    ("requirements", "conda", "channels"),
    [
        (["conda: a b"], ("a", "b"), ("conda-forge",)),
        (["conda: -c pytorch a"], ("a",), ("pytorch",)),
        (["conda: pytorch::a"], ("pytorch::a",), ("conda-forge",)),
        ("pip install x && conda install -y a", ("a",), ("conda-forge",)),
        (["conda: a >= 1.0"], ("a>=1.0",), ("conda-forge",)),
    ],
)
def test_conda_requirements_are_understood(
    requirements: object, conda: tuple[str, ...], channels: tuple[str, ...]
) -> None:
    spec = plan(requirements)
    assert (spec.python, spec.conda, spec.channels) == (">=3.6,<3.15", conda, channels)


@pytest.mark.parametrize("python", ["=2.7", "=2", "==2.7.18", "<3", "=3.5", "<3.6", "<=2.7", "=2.7.*"])
def test_a_python_without_a_worker_is_refused_with_what_to_change(python: str) -> None:
    error = refusal(env=f"conda create -n x python{python}")
    assert error.id == "env.python"
    assert "python=3.8" in error.fix
    assert "print" in error.fix


@pytest.mark.parametrize("python", ["=3.6", "=3", ">=2.7", "=3.13", ">=2.7,<4", "!=2.7", "=3.10"])
def test_every_other_python_is_taken(python: str) -> None:
    assert plan(env=f"conda create -n x python{python}").python == python.removeprefix("=")


@pytest.mark.parametrize("channel", ["defaults", "main", "pkgs/main", "https://repo.anaconda.com/pkgs/main"])
def test_anacondas_own_channels_become_conda_forge_with_a_note(channel: str) -> None:
    spec = plan(env=f"conda create -c {channel} python=3.8")
    assert spec.channels == ("conda-forge",)
    assert any(channel in note for note in spec.notes)


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        (["repo: https://host/me/Thing.git"], Repository("https://host/me/Thing.git", "Thing")),
        (["repo: https://host/me/Thing data/here"], Repository("https://host/me/Thing", "data/here")),
        (["repo: git@host:me/thing.git x"], Repository("git@host:me/thing.git", "x")),
        (["repo: 'https://host/x' 'größe 1'"], Repository("https://host/x", "größe 1")),
        ("git clone -b dev --depth 1 https://host/x y", Repository("https://host/x", "y", "dev")),
        ("git clone --recursive https://host/x", Repository("https://host/x", "x", "", True)),
    ],
)
def test_repositories_are_understood(requirements: object, expected: Repository) -> None:
    assert plan(requirements).repos == (expected,)
    assert plan(env=requirements).repos == (expected,)


@pytest.mark.parametrize("url", ["--upload-pack=x", "ext::sh", "/etc", "https://host/x y z", "ftp://host/x"])
def test_what_is_no_repository_is_refused(url: str) -> None:
    assert refusal([f"repo: {url}"]).id in ("env.requirement", "env.unsupported", "env.folder")


def test_a_command_is_kept_whole_and_in_order() -> None:
    assert plan(["cmd: make && make install", "cmd: ls | wc"]).commands == ("make && make install", "ls | wc")
    assert plan("pip install a && cmd: x && y").commands == ("x && y",)


@pytest.mark.parametrize(
    ("requirement", "line"),
    [
        ("pip: --editable ./x", "-e ./x"),
        ("pip: -e .", "-e ."),
        ("pip: -r x/requirements.txt", "-r ./x/requirements.txt"),
        ("x.whl", "./x.whl"),
        ("./x", "./x"),
        ("pip: --requirement=./a.txt", "-r ./a.txt"),
    ],
)
def test_files_of_the_work_folder_are_understood(requirement: str, line: str) -> None:
    spec = plan([requirement])
    assert spec.local == (line,)
    assert spec.at("/one") != spec.at("/other")


def test_variables_and_gpus_are_understood() -> None:
    spec = plan(
        env=[{"type": "variable", "options": {"B": 1, "A": "x"}}, {"type": "gputil", "options": {"limit": 2}}]
    )
    assert spec.variables == (("A", "x"), ("B", "1"))
    assert spec.gpu == GpuRequest(limit=2)
    assert plan(env="export A=1 B=2").variables == (("A", "1"), ("B", "2"))
    assert plan(env={"type": "gputil"}).gpu == GpuRequest()


def test_an_environment_file_is_read_like_the_rest() -> None:
    spec = plan(["repo: https://host/x"], env="conda env create -f x/environment.yml")
    assert spec.files == ("x/environment.yml",)
    content = {
        "name": "ignored",
        "channels": ["bioconda", "defaults"],
        "dependencies": ["python=3.8", "gdal 2.1", {"pip": ["scipy>=1"]}],
        "variables": {"A": 1},
    }
    whole = add_environment_file(spec, content, file="x/environment.yml")
    assert (whole.python, whole.conda, whole.channels[:1]) == ("3.8", ("gdal=2.1",), ("bioconda",))
    assert "scipy>=1" in whole.requirements
    assert whole.variables == (("A", "1"),)
    assert whole.files == ()
    with pytest.raises(ImJoyError):
        add_environment_file(spec, {"dependencies": ["python=2.7"]}, file="x")


def test_old_pythons_on_new_macs_come_from_the_older_platform_with_a_note() -> None:
    config = {"name": "Demo", "type": "native-python", "env": "conda create python=3.6"}
    manifest = from_config(config, "x", file="demo.imjoy.html").manifest
    assert plan_environment(manifest, "", "osx-arm64").platform == "osx-64"
    assert plan_environment(manifest, "", "osx-arm64").notes
    assert plan_environment(manifest, "", "linux-64").platform == "linux-64"


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
    assert refusal(requirements).id in ("env.requirement", "env.unsupported", "env.folder")


@pytest.mark.parametrize(
    "requirements",
    [
        ["git+https://me:hunter2@host/x ;;"],
        ["repo: https://me:hunter2@host/x ../y"],
        ["-i http://me:hunter2@host/x"],
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
    | st.builds(
        "{}{}".format,
        st.sampled_from(
            ["pip: ", "conda: ", "repo: ", "cmd: ", "conda create ", "git clone ", "export ", "&&", "-r "]
        ),
        st.text(max_size=8)
        | st.sampled_from(["-c", "-n x", "python=", "a::b", "https://h/x ..", "-e .", "A=1"]),
    ),
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


def test_conda_activate_alone_asks_for_one_of_yours() -> None:
    for words in ("conda activate cells", "source activate cells", ["activate cells"]):
        spec = plan(["tissue"], words)
        assert (spec.activates, spec.needs_conda, spec.asked) == ("cells", False, ("tissue",))
    # After a `conda create` it names what was created.
    assert plan(None, "conda create -n cells python=3.8 && conda activate cells").activates == ""


@pytest.mark.parametrize(
    ("requirement", "line"),
    [
        (
            "pip: torch==1.13.1+cu117 --extra-index-url https://x.org/whl/cu117",
            "--extra-index-url https://x.org/whl/cu117",
        ),
        (
            "pip: --extra-index-url=https://x.org/whl torch==1.13.1+cu117",
            "--extra-index-url https://x.org/whl",
        ),
        (
            "pip install torch==1.13.1+cu117 -f https://x.org/stable.html",
            "--find-links https://x.org/stable.html",
        ),
        ("pip: -fhttps://x.org/stable.html torch==1.13.1+cu117", "--find-links https://x.org/stable.html"),
        ("pip: -i https://x.org/simple torch==1.13.1+cu117", "--index-url https://x.org/simple"),
    ],
)
def test_packages_may_come_from_other_indexes(requirement: str, line: str) -> None:
    spec = plan([requirement])
    assert spec.indexes == (line,)
    assert "torch==1.13.1+cu117" in spec.requirements
    assert spec.as_json()["indexes"] == [line]
    assert spec != plan(["torch==1.13.1+cu117"]), "it may be another package"
    assert "indexes" not in plan(["torch"]).as_json(), "environments from before keep their names"


@pytest.mark.parametrize(
    "place",
    ["http://evil.org/x", "https://h/${HOME}", "ftp://h/x", "file:///etc", "", "--pre", "https://h/\x1b]0;x"],
)
def test_an_index_that_is_not_safely_reached_is_refused(place: str) -> None:
    for option in ("--extra-index-url", "-i", "--find-links"):
        assert refusal([f"pip: torch {option} {place}".strip()]).id in ("env.unsupported", "env.folder")


def test_links_may_be_found_in_the_work_folder() -> None:
    assert plan(["pip: torch -f ./wheels"]).local == ("--find-links ./wheels",)


@pytest.mark.parametrize(
    ("file", "word", "line"),
    [
        ("lab/environment.yml", "-r requirements.txt", "-r ./lab/requirements.txt"),
        ("lab/environment.yml", "-r file:requirements.txt", None),
        ("lab/environment.yml", "-e .", "-e ./lab"),
        ("lab/environment.yml", "./tool[all]", "./lab/tool[all]"),
        ("lab/envs/gpu.yml", "-e ..", "-e ./lab"),
        ("lab/envs/gpu.yml", "-r ../requirements.txt", "-r ./lab/requirements.txt"),
        ("environment.yml", "-r requirements.txt", "-r ./requirements.txt"),
        ("lab/environment.yml", "-e ../..", None),
        ("lab/environment.yml", "-r /etc/passwd", None),
        ("lab/environment.yml", "-r ../../x", None),
        ("lab/environment.yml", "-r .git/x", None),
    ],
)
def test_paths_in_an_environment_file_begin_at_its_folder(file: str, word: str, line: str | None) -> None:
    content = {"dependencies": ["python=3.10", {"pip": [word]}]}
    if line is None:
        with pytest.raises(ImJoyError) as refused:
            add_environment_file(plan(), content, file=file)
        assert refused.value.what.startswith(file), "it is not the plugin's config that is at fault"
        assert "config" not in refused.value.what
    else:
        assert add_environment_file(plan(), content, file=file).local == (line,)


def test_an_environment_file_may_name_an_index() -> None:
    content = {
        "dependencies": ["python=3.10", {"pip": ["--extra-index-url https://x.org/whl/cu117", "torch"]}]
    }
    spec = add_environment_file(plan(), content, file="lab/environment.yml")
    assert (spec.indexes, "torch" in spec.requirements) == (
        ("--extra-index-url https://x.org/whl/cu117",),
        True,
    )


def test_cd_leads_the_rest_of_its_line_into_a_folder() -> None:
    spec = plan(
        None, ["git clone https://github.com/me/x", "cd x && npm install && pip install -r a/b.txt", "npm ci"]
    )
    assert spec.commands == ("cd x && npm install", "npm ci")
    assert spec.local == ("-r ./x/a/b.txt",)
    assert plan(["cd x && cd .. && pip install -e ./y"]).local == ("-e ./y",)
    assert refusal(env="cd ../x && npm install").id == "env.folder"
    assert refusal(env="cd /tmp && npm install").id == "env.folder"


def test_a_tag_without_an_entry_is_a_note() -> None:
    spec = plan({"CPU": ["tissue"]}, None, tags=["CPU", "GPU"], tag="GPU")
    assert spec == DEFAULT_ENVIRONMENT
    assert spec.notes == ('"requirements" has nothing for the tag "GPU": it has entries for CPU.',)


@pytest.mark.parametrize(
    "requirement",
    [
        "pip: -e git+http://host/${HOME}/r",
        "pip: --editable=git+http://host/r@${IMJOY_ENGINE_TOKEN}",
        "git+http://host/${HOME}/r",
        "foo @ http://host/${HOME}/r.whl",
        "pip: -e ./${HOME}",
        "./${HOME}/x.whl",
        "pip: -r ${HOME}/requirements.txt",
        "'./x[a]\n--index-url=http://host'",
        "'./x\n--index-url=http://host'",
        "'./x[a] --index-url=http://host'",
        "'./x --index-url=http://host'",
        "'./x # [a]'",
        "pip: -e './x[a]\r--index-url=http://host'",
        "./x[a]\u2028--index-url=http://host",
    ],
)
def test_no_requirement_smuggles_variables_or_lines_into_what_pip_reads(requirement: str) -> None:
    assert refusal([requirement]).id in ("env.requirement", "env.unsupported", "env.folder")


def test_extras_of_a_folder_stay() -> None:
    assert plan(["pip: -e ./x[a,b]", "'./y[c]'"]).local == ("-e ./x[a,b]", "./y[c]")


HIDDEN = "https://me:hunter2@host/x"


@pytest.mark.parametrize(
    "make",
    [
        lambda spec_errors: spec_errors.unsupported(f"the form {HIDDEN}"),
        lambda spec_errors: spec_errors.requirement(HIDDEN, "pip: x", "numpy"),
        lambda spec_errors: spec_errors.requirement("x", f"pip: {HIDDEN}", "numpy"),
        lambda spec_errors: spec_errors.folder(f"../{HIDDEN}"),
    ],
)
@pytest.mark.parametrize("in_config", [True, False])
def test_every_refusal_is_without_passwords_and_names_its_place(
    make: Callable[[SpecErrors], ImJoyError], in_config: bool
) -> None:
    error = make(SpecErrors("p.yml", "P", "requirements", in_config=in_config))
    assert "hunter2" not in str(error.as_json())
    assert error.what.startswith('p.yml, <config> block: "requirements"' if in_config else "p.yml ")
    way_out = SpecErrors("p.yml", "P", "requirements", in_config=in_config).unsupported("x").fix
    assert ('"requirements"' if in_config else "p.yml") in way_out


def test_a_refusal_is_short_however_long_the_plugin_s_words_are() -> None:
    spec_errors = SpecErrors("p.yml", "P", "requirements")
    for error in (
        spec_errors.unsupported("x" * 9_000),
        spec_errors.requirement("x" * 9_000, "x" * 9_000, "numpy"),
    ):
        assert len(error.what) < 500
        assert len(error.why) < 500


@pytest.mark.parametrize(
    "word",
    [
        "./a -r b",
        "./a ; b",
        "./a #b",
        "./a @b",
        "./a\n-r b",
        "./${HOME}",
        "./a[b;c]",
        "./a[b]c",
        "./a[b] -r c",
        "./a[",
    ],
)
def test_no_path_is_more_than_a_path(word: str) -> None:
    for text in (f"'{word}'", f"-e '{word}'", f"-r '{word}'"):
        assert refusal([f"pip: {text}"]).id in ("env.unsupported", "env.requirement", "env.folder")
