"""Squid as the proxy that the environment names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import daemon, free_port, program

CONFIGURATION = """
http_port 127.0.0.1:{port}
pid_filename none
pinger_enable off
cache deny all
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
shutdown_lifetime 0 seconds
visible_hostname proxy.example
hosts_file {folder}/hosts
dns_nameservers 127.0.0.1
dns_timeout 1 second
connect_timeout 2 seconds
{rules}
"""

# Squid asks a program of the user's own whether a password is right.
HELPER = """#!/bin/sh
while read -r line; do
  if [ "$line" = '{user} {password}' ]; then echo OK; else echo ERR; fi
done
"""

AUTHENTICATED = """
auth_param basic program {folder}/helper
auth_param basic realm proxy
acl known proxy_auth REQUIRED
http_access allow known
"""


@dataclass(frozen=True)
class Squid:
    """A running proxy.

    Attributes:
        url: Without user and password.
    """

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> list[str]:
        """Return method, address and status of each request that ended."""
        log = self.folder / "access.log"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        fields = [line.split() for line in lines]
        return [
            f"{field[5]} {field[6]} {field[3].rpartition('/')[2]}" for field in fields
        ]


@contextmanager
def squid(
    names: Sequence[str] = (),
    *,
    login: tuple[str, str] | None = None,
    rules: str = "",
) -> Iterator[Squid]:
    """Run Squid; what it is asked for stays on loopback.

    Args:
        names: Hosts that it finds at 127.0.0.1; it finds no others.
        login: User and password that it asks for, as Squid's helpers read them.
        rules: Lines of the configuration before that which allows all the rest.
    """
    path = program("squid")
    # Not pytest's own folder: started as root, Squid becomes a user who may not enter.
    with tempfile.TemporaryDirectory(prefix="squid-") as name:
        folder, port = Path(name), free_port()
        if login is not None:
            user, password = login
            helper = folder / "helper"
            helper.write_text(HELPER.format(user=user, password=password))
            helper.chmod(0o755)
            rules += AUTHENTICATED.format(folder=folder)
        else:
            rules += "\nhttp_access allow all"
        (folder / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in names))
        configuration = folder / "squid.conf"
        configuration.write_text(
            CONFIGURATION.format(port=port, folder=folder, rules=rules)
        )
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, "proxy")
        command = [path, "-N", "-f", str(configuration)]
        with daemon(command, port, folder / "output.log"):
            yield Squid(port, folder)
