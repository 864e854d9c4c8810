"""What plugins may do with the engine: every call of the plugin API, from plugins of every type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import App, Engine

WEB_TYPES = ("web-worker", "iframe", "window", "rpc-window")
SEEKER = """
let kept = null;

class Plugin {
  async setup() {}

  async run() {}

  /** Walk along `path`: names, and lists of arguments to call with; "kept" is what was found the time before. */
  async seek(path) {
    try {
      let found = api;
      for (const step of path) {
        if (Array.isArray(step)) found = await found(...step);
        else found = step === "kept" ? kept : found[step];
      }
      if (found && typeof found === "object") kept = found;
      return { value: found && typeof found === "object" ? Object.keys(found) : found };
    } catch (error) {
      return { error: String((error && error.message) || error) };
    }
  }
}

api.export(new Plugin());
"""
NATIVE_SEEKER = """
from imjoy import api


class Plugin:
    def setup(self):
        pass

    def run(self, ctx):
        pass

    async def seek(self, path):
        try:
            found = api
            for step in path:
                if isinstance(step, list):
                    found = await found(*step)
                else:
                    found = getattr(found, step) if not isinstance(found, dict) else found[step]
            return {"value": found if isinstance(found, (str, int, bool, type(None))) else "something"}
        except Exception as error:
            return {"error": str(error)}


api.export(Plugin())
"""
PROGRAM = """
<config lang="json">
{"name": "Payload", "type": "native-python", "version": "1", "api_version": "0.1.8", "description": "", "tags": [],
 "ui": "", "inputs": null, "outputs": null, "flags": [], "icon": "", "env": "", "requirements": [], "dependencies": []}
</config>
<script lang="python">
from imjoy import api
class Plugin:
    def setup(self):
        pass
    def run(self, ctx):
        return "it ran"
api.export(Plugin())
</script>
"""
FREE, FILES, ENGINE, NEVER = "unasked", "files", "engine", "never"
CALLS: dict[str, tuple[str, list[object]]] = {
    "getFileManager": (FILES, ["URL"]),
    "getFileUrl": (FILES, [{"path": "mine.txt"}]),
    "requestUploadUrl": (FILES, [{"path": "theirs.txt"}]),
    "getEngine": (ENGINE, ["URL"]),
    "getEngineFactory": (ENGINE, ["ImJoy-Engine"]),
    "installPlugin": (ENGINE, [{"src": PROGRAM}]),
    "uninstallPlugin": (ENGINE, [{"name": "Numbers", "_id": "Numbers"}]),
    "getPlugin": (ENGINE, [PROGRAM]),
    "loadPlugin": (ENGINE, ["Numbers"]),
    "createWindow": (ENGINE, [{"src": PROGRAM}]),
    "run": (ENGINE, ["Numbers"]),
    "call": (ENGINE, ["Numbers", "echo", 5]),
    "connectToServer": (NEVER, [{"server_url": "https://imjoy.io"}]),
    "register": (NEVER, [{"type": "engine", "name": "Mine", "url": "URL"}]),
    "registerService": (NEVER, [{"type": "file-manager", "name": "Mine", "url": "URL"}]),
    "unregister": (NEVER, [{"type": "engine", "name": "Mine", "url": "URL"}]),
    "unregisterService": (NEVER, [{"type": "file-manager", "name": "Mine", "url": "URL"}]),
    "echo": (FREE, ["hello"]),
    "getAttachment": (FREE, ["nothing"]),
    "getConfig": (FREE, ["nothing"]),
    "setConfig": (FREE, ["colour", "red"]),
    "getFilePath": (FREE, [{"path": "mine.txt"}]),
    "getServices": (FREE, [{}]),
    "getWindow": (FREE, [{}]),
    "showMessage": (FREE, ["hello"]),
    "showProgress": (FREE, [0.5]),
    "showSnackbar": (FREE, ["hello"]),
    "showStatus": (FREE, ["hello"]),
    "log": (FREE, ["hello"]),
    "error": (FREE, ["hello"]),
    "progress": (FREE, [50]),
}
# They ask the person themselves, or hand the page what only it can use.
ASK_THEMSELVES = {"alert", "confirm", "prompt", "showDialog", "showFileDialog", "exportFile", "onClose"}


def plugin_file(folder: Path, name: str, kind: str, engine: Engine) -> None:
    """Write a plugin of type ``kind`` that calls what it is told to."""
    config = {
        "name": name,
        "type": kind,
        "version": "1",
        "api_version": "0.1.8",
        "description": "Calls whatever of the API it is told to.",
        "tags": [],
        "ui": "",
        "inputs": None,
        "outputs": None,
        "flags": ["engine", "engine-factory", "file-manager"],
        "icon": "",
        "env": "",
        "requirements": [],
        "dependencies": [],
        **({"base_frame": f"{engine.url}/frame.html?id=1"} if kind == "rpc-window" else {}),
    }
    language, script = ("python", NATIVE_SEEKER) if kind == "native-python" else ("javascript", SEEKER)
    (folder / f"{name}.imjoy.html").write_text(
        f'<config lang="json">{json.dumps(config)}</config>\n<script lang="{language}">{script}</script>\n'
    )


Seek = Callable[..., dict[str, Any]]


class Seeker:
    """A plugin that calls what it is told to, and the person in front of it."""

    def __init__(self, app: App, name: str, kind: str) -> None:
        self.app = app
        self.name = name
        self.page = app.page
        opens = "window" in kind
        self.page.evaluate(
            """async ([name, opens]) => {
                const { core } = await import("/static/app/core/core.js");
                const { pm } = core.imjoy;
                window.seeker = opens ? await pm.createWindow(null, { type: name }) : pm.plugin_names[name].api;
            }""",
            [name, opens],
        )

    def begin(self, *path: object) -> None:
        filled = json.loads(json.dumps(path).replace('"URL"', json.dumps(self.app.engine.url)))
        self.page.evaluate("(path) => { window.found = window.seeker.seek(path); }", filled)

    def end(self) -> dict[str, Any]:
        return dict(self.page.evaluate("() => window.found"))

    def seek(self, *path: object) -> dict[str, Any]:
        self.begin(*path)
        return self.end()

    def dialog(self) -> Any:
        return self.page.get_by_role("dialog", name=f"Allow {self.name}?")

    def answer(self, button: str) -> None:
        self.dialog().get_by_role("button", name=button, exact=True).click()
        expect(self.dialog()).to_have_count(0)


@pytest.fixture
def meet(app: App, tmp_path: Path) -> Callable[[str], Seeker]:
    """Return a function that loads a plugin of a type, beside a native one and a file in the work folder."""
    (app.engine.workspace / "default").mkdir(exist_ok=True)
    (app.engine.workspace / "default" / "mine.txt").write_text("private")

    def load(kind: str, name: str = "Seeker") -> Seeker:
        app.load("Numbers")
        plugin_file(tmp_path, name, kind, app.engine)
        App(app.page, app.engine, tmp_path).load(name)
        return Seeker(app, name, kind)

    return load


def test_every_call_of_the_api_is_known(app: App) -> None:
    found = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            return Object.keys(core.imjoy.pm.imjoy_api).filter((name) => name !== "utils");
        }"""
    )
    assert set(found) == set(CALLS) | ASK_THEMSELVES


@pytest.mark.parametrize("kind", WEB_TYPES)
def test_a_web_plugin_gets_nothing_of_the_engine_that_the_person_did_not_allow(
    meet: Callable[[str], Seeker], kind: str
) -> None:
    seeker = meet(kind)
    refused: set[str] = set()
    for call, (rule, arguments) in CALLS.items():
        seeker.begin(call, arguments)
        if rule in (FILES, ENGINE) and rule not in refused:
            refused.add(rule)
            seeker.answer("Cancel")
        answer = seeker.end()
        if rule == FREE:
            assert "error" not in answer, (call, answer)
        else:
            assert "Seeker may not" in answer["error"], (call, answer)
        expect(seeker.dialog()).to_have_count(0)
    expect(seeker.app.card("Numbers")).to_contain_text("Ready")
    assert seeker.app.page.get_by_role("article", name="Payload").count() == 0


def test_a_web_plugin_gets_nothing_of_the_menu_even_where_it_got_the_engine(
    meet: Callable[..., Seeker],
) -> None:
    seeker = meet("iframe")
    seeker.begin("getEngine", ["URL"])
    seeker.answer("Allow")
    got = seeker.end()["value"]
    assert "listPlugins" in got
    # Neither what the menu asks for, nor the token or the link that it asks with.
    assert not {"link", "token", "log", "examine", "stopEngine", "restartEngine", "json", "fetch"} & set(got)


def test_a_native_plugin_calls_what_it_likes_for_it_runs_as_the_person(meet: Callable[[str], Seeker]) -> None:
    seeker = meet("native-python")
    for call in ("getFileManager", "getFileUrl", "getEngine", "run", "call", "getPlugin"):
        answer = seeker.seek(call, CALLS[call][1])
        assert "may not" not in answer.get("error", ""), (call, answer)
    expect(seeker.dialog()).to_have_count(0)


def test_what_was_allowed_is_remembered_for_that_very_plugin_and_can_be_taken_back(
    meet: Callable[..., Seeker], app: App
) -> None:
    seeker = meet("iframe")
    seeker.begin("getFileManager", ["URL"], "listFiles", [""])
    expect(seeker.dialog()).to_contain_text("the files of the engine's work folder")
    seeker.answer("Allow")
    assert "children" in seeker.end()["value"]
    assert "may not start" in (ask_and_cancel(seeker, "getEngine", ["URL"]))["error"]

    app.page.reload()
    app.card("Seeker").get_by_text("Ready", exact=True).wait_for()
    app.page.get_by_role("button", name="Connected").wait_for()
    again = Seeker(app, "Seeker", "iframe")
    assert "listFiles" in again.seek("getFileManager", ["URL"])["value"]
    expect(again.dialog()).to_have_count(0)

    app.page.get_by_role("button", name="Connected").click()
    app.page.get_by_role("button", name="Take back the engine's files from Seeker").click()
    assert "You took this permission back" in again.seek("kept", "listFiles", [""])["error"]
    assert "may not read" in ask_and_cancel(again, "getFileManager", ["URL"])["error"]


def ask_and_cancel(seeker: Seeker, *path: object) -> dict[str, Any]:
    seeker.begin(*path)
    seeker.answer("Cancel")
    return seeker.end()


def test_a_plugin_of_the_same_name_has_none_of_the_permissions(
    meet: Callable[..., Seeker], app: App, tmp_path: Path
) -> None:
    seeker = meet("iframe")
    seeker.begin("getFileManager", ["URL"])
    seeker.answer("Allow")
    assert "listFiles" in seeker.end()["value"]
    file = tmp_path / "Seeker.imjoy.html"
    file.write_text(file.read_text().replace("Calls whatever", "Is another that calls whatever"))
    App(app.page, app.engine, tmp_path).load("Seeker")
    expect(app.card("Seeker")).to_contain_text("Is another")
    app.card("Seeker").get_by_text("Ready", exact=True).wait_for()
    assert "may not" in ask_and_cancel(Seeker(app, "Seeker", "iframe"), "getFileManager", ["URL"])["error"]


def test_native_code_that_a_web_plugin_brings_runs_after_a_yes_and_not_before(
    meet: Callable[..., Seeker],
) -> None:
    seeker = meet("web-worker")
    seeker.begin("getPlugin", [PROGRAM], "run", [{}])
    expect(seeker.dialog()).to_contain_text("run programs as you")
    seeker.answer("Allow")
    assert seeker.end() == {"value": "it ran"}


def test_no_web_plugin_runs_its_code_in_the_place_of_another(meet: Callable[..., Seeker], app: App) -> None:
    trusted = meet("iframe", "Trusted")
    trusted.begin("getFileManager", ["URL"])
    trusted.answer("Allow")
    assert "listFiles" in trusted.end()["value"]
    seeker = meet("web-worker")
    code = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            return core.imjoy.pm.plugin_names["Trusted"].config.code;
        }"""
    )
    evil = code.replace("let kept = null;", "let kept = 'evil';")
    assert evil != code
    seeker.begin("getPlugin", [{"src": evil, "hot_reloading": True}], "seek", [["getFileManager", ["URL"]]])
    trusted.answer("Cancel")
    assert seeker.end()["value"] == ["error"]
