"""The workspace's files: what is reached, what is not, and urls that are good for one thing for a while."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imjoy.model.errors import ImJoyError
from imjoy_engine.workspace.files import MAX_URL_SECONDS, PARTIAL_SUFFIX, WorkspaceFiles, windows_path

posix = pytest.mark.skipif(os.name != "posix", reason="file names and links of POSIX systems")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "default" / "sub").mkdir(parents=True)
    (folder / "default" / "a.txt").write_text("hello")
    (folder / "default" / "sub" / "b.txt").write_text("b")
    (folder / "other").mkdir()
    (folder / "other" / "secret.txt").write_text("secret")
    (folder / ".imjoy").mkdir()
    (folder / ".imjoy" / "token").write_text("secret")
    (tmp_path / "outside.txt").write_text("secret")
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(workspace: Path, clock: Clock) -> WorkspaceFiles:
    return WorkspaceFiles(workspace, max_upload=100, clock=clock)


def refused(files: WorkspaceFiles, path: str, workspace: str = "default") -> set[str]:
    """Try everything on ``path``; return the ids of the errors."""
    ids = set()
    for attempt in (
        lambda: files.list(path, workspace),
        lambda: files.file(path, workspace),
        lambda: files.remove(path, workspace),
        lambda: files.upload(path, workspace, overwrite=True, size=1),
        lambda: files.sign(path, workspace, "GET", expires=1, overwrite=False),
        lambda: files.sign(path, workspace, "PUT", expires=1, overwrite=True),
    ):
        with pytest.raises(ImJoyError) as caught:
            attempt()
        ids.add(caught.value.id)
    return ids


def write(files: WorkspaceFiles, path: str, data: bytes, *, overwrite: bool = False) -> bool:
    with files.upload(path, "default", overwrite=overwrite, size=None) as upload:
        upload.write(data)
        return upload.finish()


def test_a_folder_is_listed_folders_first(files: WorkspaceFiles, workspace: Path) -> None:
    path, entries = files.list("", "default")
    assert path == ""
    assert [(entry.name, entry.path, entry.type, entry.size) for entry in entries] == [
        ("sub", "sub", "folder", 0),
        ("a.txt", "a.txt", "file", 5),
    ]
    assert entries[1].modified == (workspace / "default" / "a.txt").stat().st_mtime
    path, entries = files.list("./sub/", "default")
    assert path == "sub"
    assert [entry.path for entry in entries] == ["sub/b.txt"]


def test_a_work_folder_that_is_not_there_yet_is_empty(files: WorkspaceFiles) -> None:
    assert files.list("", "new") == ("", ())


def test_an_absolute_path_into_the_work_folder_is_good(files: WorkspaceFiles, workspace: Path) -> None:
    absolute = workspace / "default" / "a.txt"
    assert files.file(str(absolute), "default").read_text() == "hello"


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../other/secret.txt",
        "sub/../../other/secret.txt",
        "sub/..",
        "./../other",
        "%2e%2e/other/secret.txt",
        "%2E%2E%2Fother%2Fsecret.txt",
        "%252e%252e/other/secret.txt",
        "..%2fother",
        ".. /other",
        "/etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "/",
        "~/x/../../..",
        "a.txt\x00.png",
        "a\nb",
        "..\\other\\secret.txt",
        "sub\\..\\..\\other",
        "%5c..%5cother",
        "%00",
        ".imjoy/token",
        "../.imjoy/token",
        "sub/.IMJOY/x",
        "\ud800",
    ],
)
def test_paths_that_lead_out_are_refused_whatever_is_done_with_them(files: WorkspaceFiles, path: str) -> None:
    assert refused(files, path) == {"files.outside"}


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".imjoy", "../default", "a/b", "/etc", "a\\b", "\x00", "x" * 300, ".hidden", "a\nb"],
)
def test_a_workspace_name_is_the_name_of_a_folder(files: WorkspaceFiles, name: str) -> None:
    assert refused(files, "a.txt", name) == {"files.outside"}


@posix
def test_links_out_of_the_work_folder_are_neither_followed_nor_listed(
    files: WorkspaceFiles, workspace: Path, tmp_path: Path
) -> None:
    work = workspace / "default"
    (work / "file").symlink_to(tmp_path / "outside.txt")
    (work / "folder").symlink_to(workspace / "other")
    (work / "private").symlink_to(workspace / ".imjoy")
    (work / "loop").symlink_to(work / "loop")
    (work / "broken").symlink_to(tmp_path / "nothing")
    for path in ("file", "folder", "folder/secret.txt", "private/token", "broken"):
        assert "files.outside" in refused(files, path)
        assert refused(files, path) <= {"files.outside", "files.not-found"}
    assert {entry.name for entry in files.list("", "default")[1]} == {"sub", "a.txt"}
    assert (tmp_path / "outside.txt").read_text() == "secret"


@posix
def test_a_work_folder_that_is_itself_a_link_out_is_refused(files: WorkspaceFiles, workspace: Path) -> None:
    (workspace / "linked").symlink_to(workspace.parent)
    assert refused(files, "outside.txt", "linked") == {"files.outside"}
    (workspace / "alias").symlink_to(workspace / ".imjoy")
    assert refused(files, "token", "alias") == {"files.outside"}
    assert refused(files, "", "alias") == {"files.outside"}


@posix
def test_links_within_the_work_folder_are_followed_and_removed_as_links(
    files: WorkspaceFiles, workspace: Path
) -> None:
    link = workspace / "default" / "link.txt"
    link.symlink_to("a.txt")
    assert files.file("link.txt", "default").read_text() == "hello"
    files.remove("link.txt", "default")
    assert not link.is_symlink()
    assert (workspace / "default" / "a.txt").exists()


@posix
def test_what_is_neither_file_nor_folder_is_left_alone(files: WorkspaceFiles, workspace: Path) -> None:
    os.mkfifo(workspace / "default" / "pipe")
    assert {entry.name for entry in files.list("", "default")[1]} == {"sub", "a.txt"}
    with pytest.raises(ImJoyError) as caught:
        files.file("pipe", "default")
    assert caught.value.id == "files.not-found"


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text, as Linux allows them")
def test_names_that_are_no_text_are_left_out(files: WorkspaceFiles, workspace: Path) -> None:
    (workspace / "default" / os.fsdecode(b"bad\xff")).touch()
    (workspace / "default" / "line\nbreak").touch()
    (workspace / "default" / "größe.txt").touch()
    (workspace / "default" / "at 5\u202fPM.png").touch()
    assert {entry.name for entry in files.list("", "default")[1]} == {
        "sub",
        "a.txt",
        "größe.txt",
        "at 5\u202fPM.png",
    }


def test_what_is_not_there_is_not_found(files: WorkspaceFiles) -> None:
    for attempt in (
        lambda: files.file("none.txt", "default"),
        lambda: files.file("sub", "default"),
        lambda: files.file("a.txt/x", "default"),
        lambda: files.list("none", "default"),
        lambda: files.remove("none.txt", "default"),
        lambda: files.sign("none.txt", "default", "GET", expires=1, overwrite=False),
    ):
        with pytest.raises(ImJoyError) as caught:
            attempt()
        assert caught.value.id == "files.not-found"


def test_a_name_that_is_too_long_for_the_disk_is_an_error_like_any_other(files: WorkspaceFiles) -> None:
    for attempt, id in (
        (lambda: files.list("a" * 5000, "default"), "files.not-found"),
        (lambda: files.file("a" * 5000, "default"), "files.not-found"),
        (lambda: files.upload("a" * 5000, "default", overwrite=False, size=1).finish(), "files.denied"),
    ):
        with pytest.raises(ImJoyError) as caught:
            attempt()
        assert caught.value.id == id


def test_a_file_is_not_listed_and_a_folder_not_removed_or_overwritten(
    files: WorkspaceFiles, workspace: Path
) -> None:
    with pytest.raises(ImJoyError) as caught:
        files.list("a.txt", "default")
    assert caught.value.id == "files.not-a-folder"
    with pytest.raises(ImJoyError) as caught:
        files.remove("sub", "default")
    assert caught.value.id == "files.not-found"
    with pytest.raises(ImJoyError) as caught:
        files.upload("sub", "default", overwrite=True, size=1)
    assert caught.value.id == "files.not-a-file"
    assert (workspace / "default" / "sub" / "b.txt").exists()


def test_a_file_is_removed(files: WorkspaceFiles, workspace: Path) -> None:
    files.remove("a.txt", "default")
    assert not (workspace / "default" / "a.txt").exists()


def test_an_upload_makes_the_folders_on_its_way(files: WorkspaceFiles, workspace: Path) -> None:
    assert write(files, "new/deep/c.txt", b"data")
    assert (workspace / "default/new/deep/c.txt").read_bytes() == b"data"


def test_nothing_is_overwritten_without_saying_so(files: WorkspaceFiles, workspace: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        write(files, "a.txt", b"new")
    assert caught.value.id == "files.exists"
    assert (workspace / "default" / "a.txt").read_text() == "hello"
    assert write(files, "a.txt", b"new", overwrite=True) is False
    assert (workspace / "default" / "a.txt").read_text() == "new"


def test_a_file_that_came_during_an_upload_is_not_overwritten(files: WorkspaceFiles, workspace: Path) -> None:
    target = workspace / "default" / "c.txt"
    with files.upload("c.txt", "default", overwrite=False, size=None) as upload:
        upload.write(b"mine")
        target.write_text("theirs")
        with pytest.raises(ImJoyError) as caught:
            upload.finish()
    assert caught.value.id == "files.exists"
    assert target.read_text() == "theirs"


def test_until_it_is_whole_an_upload_is_seen_by_nobody(files: WorkspaceFiles, workspace: Path) -> None:
    before = files.list("", "default")
    with files.upload("c.txt", "default", overwrite=False, size=None) as upload:
        upload.write(b"half")
        assert files.list("", "default") == before
    assert files.list("", "default") == before
    assert not list((workspace / "default").glob(f"*{PARTIAL_SUFFIX}"))


def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(
    files: WorkspaceFiles, workspace: Path
) -> None:
    with pytest.raises(ImJoyError) as caught:
        files.upload("c.txt", "default", overwrite=False, size=101)
    assert caught.value.id == "files.too-large"
    with pytest.raises(ImJoyError) as caught:
        write(files, "c.txt", b"x" * 101)
    assert caught.value.id == "files.too-large"
    assert [path.name for path in sorted((workspace / "default").iterdir())] == ["a.txt", "sub"]
    assert write(files, "c.txt", b"x" * 100)


def test_a_signed_url_grants_what_it_was_signed_for(files: WorkspaceFiles) -> None:
    signed, grant = files.sign("sub/b.txt", "default", "GET", expires=60, overwrite=False)
    assert signed.endswith(".b.txt")
    assert (grant.method, grant.path, grant.expires_at) == ("GET", "sub/b.txt", 1060)
    assert files.verify(signed, "GET") == files.verify(signed, "HEAD") == grant


def test_a_signed_url_is_good_for_nothing_else(files: WorkspaceFiles, workspace: Path, clock: Clock) -> None:
    signed, _ = files.sign("a.txt", "default", "GET", expires=60, overwrite=False)
    payload, mac, name = signed.split(".", 2)
    other = files.sign("sub/b.txt", "default", "GET", expires=60, overwrite=False)[0].split(".")
    another_run = WorkspaceFiles(workspace, max_upload=1, clock=clock)
    forged = [
        f"{other[0]}.{mac}.{name}",
        f"{payload}.{other[1]}.{name}",
        f"{payload}..{name}",
        f"{payload}",
        f".{mac}.{name}",
        "",
        ".",
        f"{payload}A.{mac}.{name}",
        f"{payload}.{mac[:-1]}.{name}",
        f"{payload}.é{mac}.{name}",
        f"{payload}.\ud800.{name}",
    ]
    attempts = [(files, text, "GET") for text in forged]
    attempts += [(files, signed, "PUT"), (files, signed, "DELETE"), (another_run, signed, "GET")]
    for verifier, text, method in attempts:
        with pytest.raises(ImJoyError) as caught:
            verifier.verify(text, method)
        assert caught.value.id == "files.signature"


def test_a_signed_url_ends(files: WorkspaceFiles, clock: Clock) -> None:
    signed, grant = files.sign("a.txt", "default", "GET", expires=60, overwrite=False)
    clock.now = grant.expires_at
    files.verify(signed, "GET")
    clock.now += 1
    with pytest.raises(ImJoyError) as caught:
        files.verify(signed, "GET")
    assert caught.value.id == "files.expired"


@pytest.mark.parametrize("expires", [0, -1, MAX_URL_SECONDS + 1, float("inf"), float("nan")])
def test_no_url_lasts_longer_than_a_day(files: WorkspaceFiles, expires: float) -> None:
    with pytest.raises(ImJoyError) as caught:
        files.sign("a.txt", "default", "GET", expires=expires, overwrite=False)
    assert caught.value.id == "files.request"
    files.sign("a.txt", "default", "GET", expires=MAX_URL_SECONDS, overwrite=False)


def test_no_url_is_signed_to_remove_a_file(files: WorkspaceFiles) -> None:
    with pytest.raises(ImJoyError) as caught:
        files.sign("a.txt", "default", "DELETE", expires=1, overwrite=False)
    assert caught.value.id == "files.request"


PARTS = st.lists(
    st.sampled_from(
        ["..", ".", "", "a.txt", "sub", "link", "%2e%2e", "%2f", "\\", "\x00", "~", ".imjoy", "etc", "C:"]
    )
    | st.text(max_size=6),
    max_size=6,
)


@settings(max_examples=300)
@given(PARTS, st.sampled_from(["/", "//", "%2f"]), st.booleans())
def test_no_path_gets_out(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], separator: str, absolute: bool
) -> None:
    base = tmp_path_factory.getbasetemp() / "no-path-gets-out"
    root = base / "workspace" / "default"
    if not root.exists():
        (root / "sub").mkdir(parents=True)
        (root / "a.txt").touch()
        (root / "link").symlink_to(base)
    files = WorkspaceFiles(base / "workspace", max_upload=1)
    path = ("/" if absolute else "") + separator.join(parts)
    try:
        found = files.file(path, "default")
    except ImJoyError as error:
        assert error.id in ("files.outside", "files.not-found")
    else:
        assert found.resolve().is_relative_to(root.resolve())


def put(files: WorkspaceFiles, path: str, content: bytes, *, overwrite: bool = False) -> None:
    """Upload a file."""
    with files.upload(path, "default", overwrite=overwrite, size=None) as upload:
        upload.write(content)
        upload.finish()


@posix
def test_overwriting_a_file_keeps_its_mode_whatever_the_umask_is(workspace: Path) -> None:
    files = WorkspaceFiles(workspace, max_upload=100)
    target = workspace / "default" / "a.txt"
    before = os.umask(0)
    try:
        for mode in (0o600, 0o640, 0o755):
            target.chmod(mode)
            with files.upload("a.txt", "default", overwrite=True, size=None) as upload:
                partial = next(target.parent.glob(f".*{PARTIAL_SUFFIX}"))
                assert stat.S_IMODE(partial.stat().st_mode) == 0o600
                upload.write(b"new")
                upload.finish()
            assert stat.S_IMODE(target.stat().st_mode) == mode
    finally:
        os.umask(before)


@posix
def test_what_is_write_protected_or_no_file_is_not_overwritten(workspace: Path) -> None:
    files = WorkspaceFiles(workspace, max_upload=100)
    (workspace / "default" / "a.txt").chmod(0o400)
    os.mkfifo(workspace / "default" / "pipe")
    for path, error in (("a.txt", "files.denied"), ("pipe", "files.not-a-file")):
        with pytest.raises(ImJoyError) as refused:
            put(files, path, b"new", overwrite=True)
        assert refused.value.id == error
    assert (workspace / "default" / "a.txt").read_text() == "hello"


def test_what_a_killed_engine_left_of_an_upload_is_removed_by_the_next(workspace: Path) -> None:
    upload = WorkspaceFiles(workspace, max_upload=100).upload(
        "new/c.txt", "default", overwrite=False, size=None
    )
    upload.write(b"half")
    upload._file.close()  # as a kill does, and nothing more
    mine = workspace / "default" / "kept.txt"
    mine.write_text("mine")
    (workspace / ".imjoy" / "uploads" / "0123").write_text(str(mine), encoding="utf-8")
    WorkspaceFiles(workspace, max_upload=100).sweep()
    assert list((workspace / "default" / "new").iterdir()) == []
    assert list((workspace / ".imjoy" / "uploads").iterdir()) == []
    assert mine.read_text() == "mine", "a note that was tampered with removes nothing else"


def test_our_own_folder_is_no_work_folder_by_whichever_name_the_disk_has_it(
    files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On HFS+ signs that do not show are no part of a name: FastUnicodeCompare in core/UCStringCompareData.h of hfs."""
    look_up = Path.stat

    def stat_of_hfs(path: Path, **options: bool) -> os.stat_result:
        return look_up(Path(str(path).replace("\u200c", "")), **options)

    monkeypatch.setattr(Path, "stat", stat_of_hfs)
    hidden = "\u200c.imjoy"
    assert refused(files, "token", hidden) == {"files.outside"}
    assert [entry.name for entry in files.list("", "default")[1]] == ["sub", "a.txt"]


def test_what_finder_leaves_is_not_listed(workspace: Path) -> None:
    for name in (".DS_Store", "._a.txt"):
        (workspace / "default" / name).touch()
    _, entries = WorkspaceFiles(workspace, max_upload=100).list("", "default")
    assert [entry.name for entry in entries] == ["sub", "a.txt"]


def test_an_upload_leaves_no_note(workspace: Path) -> None:
    files = WorkspaceFiles(workspace, max_upload=100)
    put(files, "c.txt", b"whole")
    with pytest.raises(ImJoyError):
        put(files, "d.txt", b"x" * 101)
    assert list((workspace / ".imjoy" / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "name", "error"),
    [
        ("a.txt", "\ud800", "files.outside"),
        ("\udcff.txt", "default", "files.outside"),
        ("d/" * 2000 + "a", "default", "files.request"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(workspace: Path, path: str, name: str, error: str) -> None:
    files = WorkspaceFiles(workspace, max_upload=100)
    with pytest.raises(ImJoyError) as refused, files.upload(path, name, overwrite=False, size=None):
        pass
    assert refused.value.id == error


def test_a_url_that_lasts_for_ever_and_a_day_is_refused(workspace: Path) -> None:
    files = WorkspaceFiles(workspace, max_upload=100)
    for seconds in (10**400, -(10**400), float("inf"), float("nan")):
        with pytest.raises(ImJoyError) as refused:
            files.sign("a.txt", "default", "GET", expires=seconds, overwrite=False)
        assert refused.value.id == "files.request"


@pytest.mark.parametrize(
    ("path", "taken_for"),
    [
        ("", ""),
        ("sub\\a.txt", "sub/a.txt"),
        ("C:\\Users\\Jörg\\default\\a.txt", "C:/Users/Jörg/default/a.txt"),
        ("c:/Users/a.txt", "c:/Users/a.txt"),
        ("\\\\?\\C:\\Users\\a.txt", "C:/Users/a.txt"),
        ("sub\\..\\a.txt", "sub/../a.txt"),
        ("THESIS~1.TEX", "THESIS~1.TEX"),
        ("com10\\console.txt", "com10/console.txt"),
        ("D:\\a.txt", None),
        ("C:a.txt", None),
        ("\\\\server\\share\\a.txt", None),
        ("//server/share/a.txt", None),
        ("\\\\?\\UNC\\server\\share\\a.txt", None),
        ("\\\\.\\C:\\a.txt", None),
        ("\\\\?\\GLOBALROOT\\a.txt", None),
        ("aux", None),
        ("sub\\NUL.txt", None),
        ("a.txt::$DATA", None),
        ("a.txt:hidden", None),
        ("sub.\\a.txt", None),
        ("a.txt ", None),
        ("a?.txt", None),
    ],
)
def test_a_path_of_windows_has_one_right_answer(path: str, taken_for: str | None) -> None:
    if taken_for is None:
        with pytest.raises(ImJoyError, match="is not in the workspace"):
            windows_path(path, "C:")
    else:
        assert windows_path(path, "C:") == taken_for


@pytest.mark.skipif(os.name != "nt", reason="needs Windows")
def test_on_windows_a_file_is_reached_by_every_spelling_of_its_path(
    files: WorkspaceFiles, workspace: Path
) -> None:
    file = workspace / "default" / "Sub" / "a.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    for path in (str(file), str(file).upper(), "sub\\A.TXT", "sub/a.txt", f"\\\\?\\{file}", file.as_posix()):
        assert files.file(path, "default").samefile(file)
