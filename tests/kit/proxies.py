"""Reverse proxies, real ones: nginx and Caddy with TLS before an engine, at a path, which they take away or leave."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PATH = "/imjoy"
WAIT_SECONDS = 20.0

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location {path}/ {{
      proxy_pass http://127.0.0.1:{engine}{end};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
      proxy_request_buffering off;
      client_max_body_size 0;
    }}
    location = {path} {{ proxy_pass http://127.0.0.1:{engine}; }}
  }}
}}
"""
CADDY = """
{{
  admin off
  auto_https disable_redirects
  skip_install_trust
}}
https://127.0.0.1:{port} {{
  tls {certificate} {key}
  redir {path} {path}/
  {handle} {path}/* {{
    reverse_proxy 127.0.0.1:{engine}
  }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs; ``certificate`` is PEM."""

    url: str
    certificate: str
    folder: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 and its key."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    words = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", file, *words],
        check=True,
        capture_output=True,
    )
    return file, key


def start_proxy(kind: str, folder: Path, port: int, engine: int, *, strips: bool) -> Proxy:
    """Start nginx or Caddy on ``port``, before the engine's; it takes the path away when it ``strips``."""
    program = shutil.which(kind, path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None or shutil.which("openssl") is None:
        pytest.skip(f"{kind} or openssl is missing")
    folder.mkdir(exist_ok=True)
    file, key = certificate(folder)
    values = {"folder": folder, "port": port, "engine": engine, "certificate": file, "key": key, "path": PATH}
    config = folder / f"{kind}.conf"
    if kind == "nginx":
        config.write_text(NGINX.format(end="/" if strips else "", **values))
        command = [program, "-p", str(folder), "-c", str(config)]
    else:
        config.write_text(CADDY.format(handle="handle_path" if strips else "handle", **values))
        command = [program, "run", "--adapter", "caddyfile", "--config", str(config)]
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(folder)}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environ)
    proxy = Proxy(f"https://127.0.0.1:{port}{PATH}", file.read_text(), folder, process)
    wait_for(lambda: _answers(port), process, folder / "said")
    return proxy


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], said: Path) -> None:
    """Wait until ``condition`` holds, or fail with what the process said."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            pytest.fail(said.read_text(errors="replace"))
        time.sleep(0.02)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
