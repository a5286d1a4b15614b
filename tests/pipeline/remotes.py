"""Remotes of DVC that a test starts on this machine: a folder, a server of SSH and one of S3."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.study import dvc

BUCKET = "team"
CREDENTIALS = {"access_key_id": "someone", "secret_access_key": "secret"}
SSHD_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Remote:
    """A remote, and what its server has stored.

    Args:
        url: Where DVC pushes to.
        options: Of `dvc remote modify`.
        folder: Where the files lie; None where only the server has them.
        endpoint: Address of the server of S3.
    """

    url: str
    options: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    endpoint: str = ""

    def use(self, root: Path) -> None:
        """Makes this the default remote of a repository, as docs/cityscapes.md does."""
        dvc(root, "remote", "add", "--local", "--default", "--force", "team", self.url)
        for name, value in {"verify": "true", **self.options}.items():
            dvc(root, "remote", "modify", "--local", "team", name, value)

    def read(self) -> dict[str, bytes]:
        """Returns every stored file by its name."""
        if self.folder is not None:
            paths = [path for path in self.folder.rglob("*") if path.is_file()]
            return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}
        client = self.connect()
        names = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
        return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}

    def write(self, name: str, content: bytes) -> None:
        """Replaces a stored file; DVC may have removed it, as it does where a hash is wrong."""
        if self.folder is None:
            self.connect().put_object(Bucket=BUCKET, Key=name, Body=content)
        else:
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / name).write_bytes(content)
            (self.folder / name).chmod(0o444)  # as DVC leaves it, which then does not read it again

    def connect(self) -> Any:
        """Returns a client of the server of S3."""
        import boto3

        keys = {f"aws_{name}": value for name, value in CREDENTIALS.items()}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)


@contextmanager
def serve(kind: str, folder: Path) -> Iterator[Remote]:
    """Starts a server, and ends it afterwards.

    Args:
        kind: `folder`, `ssh` or `s3`.
        folder: An empty folder for keys and stored files.
    """
    if kind == "folder":
        yield Remote(str(folder / "remote"), folder=folder / "remote")
    elif kind == "ssh":
        with _serve_ssh(folder) as remote:
            yield remote
    else:
        with _serve_s3() as remote:
            yield remote


@contextmanager
def _serve_ssh(folder: Path) -> Iterator[Remote]:
    """Starts an OpenSSH server of the current user on a free port, with keys of its own."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None:
        pytest.skip("sshd is not installed: Debian's package openssh-server")
    if find_spec("dvc_ssh") is None:
        pytest.skip("dvc-ssh is not installed")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server of root confines its children
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port, config = find_port(), folder / "sshd_config"
    config.write_text(SSHD_CONFIG.format(port=port, folder=folder))
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}/remote"
    with _running([sshd, "-D", "-e", "-f", str(config)], port):
        yield Remote(url, {"keyfile": str(folder / "key")}, folder / "remote")


@contextmanager
def _serve_s3() -> Iterator[Remote]:
    """Starts moto's server on a free port, with one bucket."""
    if find_spec("moto") is None or find_spec("dvc_s3") is None:
        pytest.skip("moto or dvc-s3 is not installed")
    port = find_port()
    endpoint = f"http://127.0.0.1:{port}"
    with _running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        remote = Remote(f"s3://{BUCKET}/maskrcnn", {"endpointurl": endpoint, **CREDENTIALS}, endpoint=endpoint)
        remote.connect().create_bucket(Bucket=BUCKET)
        yield remote


def find_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    """Runs a server while the block lasts, from when its port answers."""
    with tempfile.TemporaryFile() as log:  # a server whose log fills a pipe that nobody reads stands still
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None, log.seek(0) or log.read().decode()
                time.sleep(0.1)
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)
