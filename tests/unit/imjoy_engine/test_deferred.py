from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from imjoy_engine.deferred import defer_aiohttp_client
defer_aiohttp_client()
import aiohttp.web
print("aiohttp.client" in sys.modules)
print(aiohttp.ClientSession.__name__, "aiohttp.client" in sys.modules)
print(aiohttp.web.Application.__name__)
"""


def test_the_client_is_loaded_only_when_somebody_asks_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "ClientSession True", "Application"]
