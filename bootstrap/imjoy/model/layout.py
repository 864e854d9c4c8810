"""Every path that imjoy owns, derived from two folders and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_PREFIX_NAME = "ImJoyApp"
DEFAULT_WORKSPACE_NAME = "ImJoyWorkspace"


@dataclass(frozen=True)
class Layout:
    """The prefix (what we provision) and the workspace (what the user's plugins own), and what lies in them."""

    prefix: Path
    workspace: Path

    @property
    def private(self) -> Path:
        """Our own folder in the workspace, mode 0700."""
        return self.workspace / ".imjoy"

    @property
    def token_file(self) -> Path:
        """The connection token, mode 0600, one line."""
        return self.private / "token"

    @property
    def state_file(self) -> Path:
        """The running engine's state (JSON, mode 0600); there is at most one engine for a workspace."""
        return self.private / "engine.json"

    @property
    def certificate_file(self) -> Path:
        """The certificate (PEM) that the engine signed itself, for ``--tls``."""
        return self.private / "tls" / "certificate.pem"

    @property
    def certificate_key_file(self) -> Path:
        """The key of that certificate, mode 0600."""
        return self.private / "tls" / "key.pem"

    @property
    def engine_lock_file(self) -> Path:
        """Held by the engine while it serves this workspace."""
        return self.private / "engine.lock"

    @property
    def log_file(self) -> Path:
        """The engine's log, one JSON document a line."""
        return self.private / "logs" / "engine.log"

    @property
    def welcome_file(self) -> Path:
        """The private page that hands the token to the browser (mode 0600)."""
        return self.private / "welcome.html"

    @property
    def opening_file(self) -> Path:
        """The private page that leads a browser to the engine (mode 0600)."""
        return self.private / "open.html"

    @property
    def upgrade_check_file(self) -> Path:
        """What was last heard about a newer imjoy (JSON)."""
        return self.private / "upgrade-check.json"

    @property
    def upgrade_outcome_file(self) -> Path:
        """The result of the last upgrade that the page asked for (JSON); empty while it runs."""
        return self.private / "upgrade-outcome.json"

    @property
    def upgrade_process_file(self) -> Path:
        """Which process that upgrade is (JSON: its pid and birth), for the engine that comes after it."""
        return self.private / "upgrade-process.json"

    @property
    def environments(self) -> Path:
        """Plugin environments, one folder each, named by what is in them."""
        return self.private / "environments"

    @property
    def existing_environments(self) -> Path:
        """What is known of the environments that a person made and lets plugins use, one file each."""
        return self.private / "existing-environments"

    @property
    def cluster_file(self) -> Path:
        """How plugins run on a cluster, written by the user (TOML)."""
        return self.private / "cluster.toml"

    @property
    def scratch(self) -> Path:
        """What running plugins need on disk, one folder each; nothing outlives the engine."""
        return self.private / "running"

    @property
    def shown(self) -> Path:
        """What the app's pages showed, for their next reload; bounded."""
        return self.private / "shown"

    @property
    def gallery_file(self) -> Path:
        """Where the list of public plugins comes from, and the last one that came (JSON)."""
        return self.private / "gallery.json"

    @property
    def named_workspaces(self) -> Path:
        """What the app keeps of each of its workspaces: plugins and layout."""
        return self.private / "workspaces"

    @property
    def webapp(self) -> Path:
        """The web app's files, verified, as fetched."""
        return self.private / "webapp"

    def work_folder(self, workspace_name: str) -> Path:
        """The folder that plugins of one app workspace work in. ``workspace_name`` must be a clean folder name."""
        return self.workspace / workspace_name
