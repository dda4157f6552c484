"""File systems are told apart, and what can't be evicted or synced on one is said."""

import subprocess
from pathlib import Path

import pytest

from scripts.system.disk import file_system

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw
41 22 0:50 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2,rsize=1048576,hard,proto=tcp
42 22 0:51 / /fast rw,noatime shared:21 - lustre server@tcp:/fast rw,flock
43 22 0:52 / /gpfs rw,relatime shared:22 - gpfs gpfs1 rw,dev=gpfs1
44 22 0:53 / /pool rw,xattr shared:23 - zfs tank/pool rw
47 22 0:56 / /packed rw,noatime shared:24 - btrfs /dev/sdd rw,compress-force=zstd:3,space_cache=v2
48 22 0:57 / /layers rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
45 41 0:54 / /home/me/my\040disk rw,relatime shared:24 - xfs /dev/sdb1 rw
46 22 0:55 / /odd rw - newfs /dev/sdc rw
""".strip()


def described(path: str) -> dict:
    return file_system.description(*file_system.mount_of(Path(path), MOUNTS))


@pytest.mark.parametrize(
    ("path", "type_", "kind", "said"),
    [
        ("/var/data", "ext4", "local", []),
        ("/dev/shm/data", "tmpfs", "memory", ["is memory"]),
        ("/home/me", "nfs4", "network", ["servers keep in their memory", "durable means that the servers"]),
        ("/fast/project", "lustre", "network", ["servers keep in their memory", "durable means that the servers"]),
        ("/gpfs", "gpfs", "network", ["memory of its own", "servers keep", "durable means"]),
        ("/pool/data", "zfs", "local", ["memory of its own"]),
        ("/packed/data", "btrfs", "local", ["compress what is written (compress-force=zstd:3)", "small files"]),
        ("/layers/data", "overlay", "local", ["another file system below"]),
        ("/home/me/my disk/data", "xfs", "local", []),
        ("/odd/data", "newfs", "unknown", ["isn't known"]),
    ],
)
def test_what_a_mount_says(path: str, type_: str, kind: str, said: list[str]) -> None:
    found = described(path)
    assert (found["type"], found["kind"]) == (type_, kind)
    assert len(found["limits"]) == len(said)
    assert all(words in limit for words, limit in zip(said, found["limits"], strict=True))
    assert all(limit.startswith(f"{type_}: ") for limit in found["limits"])


def test_how_a_server_is_spoken_to_is_among_the_options() -> None:
    assert described("/home/me")["options"] == "rw,relatime,vers=4.2,rsize=1048576,hard,proto=tcp"


def test_the_mount_that_is_there(tmp_path: Path) -> None:
    """The system's own `findmnt` says the same, also of what isn't there yet."""

    def said(column: str) -> str:
        command = ["findmnt", "-n", "-o", column, "-T", tmp_path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    found = file_system.describe(tmp_path / "not" / "yet")
    assert (found["type"], found["mount_point"]) == (said("FSTYPE"), said("TARGET"))
    assert set(found["options"].split(",")) == set(f"{said('VFS-OPTIONS')},{said('FS-OPTIONS')}".split(","))
