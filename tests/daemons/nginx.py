"""nginx before a server of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemons import daemon, free_port, program

CONFIGURATION = """
user root;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 100m;
  {http}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_read_timeout 300s;
      {location}
    }}
  }}
}}
"""


@contextmanager
def nginx(
    folder: Path, upstream: int, *, http: str = "", location: str = ""
) -> Iterator[int]:
    """Run nginx as a gateway; yields its port.

    Args:
        folder: An empty folder for configuration, logs and temporary files.
        upstream: Port of loopback that requests are passed to.
        http: More directives of the `http` block.
        location: More directives of the one location.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(
        CONFIGURATION.format(
            folder=folder, port=port, upstream=upstream, http=http, location=location
        )
    )
    command = [program("nginx"), "-p", str(folder), "-c", str(path)]
    command += ["-g", "daemon off;", "-e", str(folder / "start.log")]
    with daemon(command, port, folder / "output.log"):
        yield port
