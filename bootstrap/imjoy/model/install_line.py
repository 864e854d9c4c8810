"""The line that installs imjoy: what the README and ``install.sh`` say as well."""

from __future__ import annotations

from imjoy import PROJECT_URL


def install_line(platform: str) -> str:
    """Return the line for this ``sys.platform``."""
    if platform == "win32":
        script = f"irm {PROJECT_URL}/raw/HEAD/install.ps1"
        return f'powershell -ExecutionPolicy Bypass -c "& ([scriptblock]::Create(({script}))) -Start"'
    return f"curl -fsSL {PROJECT_URL}/raw/HEAD/install.sh | bash -s -- --start"
