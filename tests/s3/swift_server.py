"""OpenStack Swift with its S3 interface in one process, for tests: `swift_server.py FOLDER`.

Everything lies under FOLDER; only loopback is served. Prints one JSON line with the port once it
listens, and ends when its standard input is closed, so that none is left behind.

Swift's parts talk HTTP to each other: an account, a container and an object server with one device
each, and the proxy in front. `GET /_puts` (without credentials) counts the PUTs that were
accepted, by path and query without the signature.
"""

from __future__ import annotations

import warnings

warnings.simplefilter("ignore")  # eventlet says at import that it is old

import eventlet  # type: ignore[import-untyped,unused-ignore] # noqa: E402

eventlet.monkey_patch(os=False)

import json  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import parse_qsl, urlencode  # noqa: E402

from eventlet import tpool, wsgi  # type: ignore[import-untyped,unused-ignore] # noqa: E402
from swift.common import utils  # type: ignore[import-untyped,unused-ignore] # noqa: E402
from swift.common.ring import RingBuilder  # type: ignore[import-untyped,unused-ignore] # noqa: E402
from swift.common.storage_policy import (  # type: ignore[import-untyped,unused-ignore] # noqa: E402
    reload_storage_policies,
)
from swift.common.wsgi import (  # type: ignore[import-untyped,unused-ignore] # noqa: E402
    SwiftHttpProtocol,
    loadapp,
)

SMALLEST_PART = 65_536  # S3 has 5 MiB; the rule is the same and the tests are quicker
ACCOUNT, USER, SECRET, REGION = "longshore", "test", "swift-signing-key", "us-east-1"

SWIFT = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

STORAGE = """
[DEFAULT]
devices = {folder}/devices
mount_check = false
swift_dir = {folder}
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

FILTERS = {
    "catch_errors": "",
    "gatekeeper": "",
    "listing_formats": "",
    "bulk": "",
    "s3api": f"s3_acl = false\nlocation = {REGION}\nmin_segment_size = {SMALLEST_PART}",
    "tempauth": f"user_{ACCOUNT}_{USER} = {SECRET} .admin",
    "copy": "",
    "slo": "",
    "dlo": "",
    "versioned_writes": "allow_versioned_writes = true\nallow_object_versioning = true",
    "symlink": "",
}

PROXY = """
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


class Counting:
    """The proxy, with a count of the PUTs that it accepted."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.puts: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/_puts":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self.puts).encode()]

        def started(status: str, *rest: Any) -> Any:
            if environ["REQUEST_METHOD"] == "PUT" and status.startswith("200"):
                self.puts[_what(environ)] += 1
            return start_response(status, *rest)

        return self.app(environ, started)


def _what(environ: dict[str, Any]) -> str:
    query = [
        pair for pair in parse_qsl(environ["QUERY_STRING"]) if pair[0] in ("uploadId", "partNumber")
    ]
    path: str = environ["PATH_INFO"]
    return f"{path}?{urlencode(sorted(query))}" if query else path


def configure(folder: Path, ports: dict[str, int]) -> None:
    """Write the configuration and the rings: one device for each kind of server."""
    (folder / "devices" / "d1").mkdir(parents=True)
    (folder / "swift.conf").write_text(SWIFT)
    for kind, port in ports.items():
        (folder / f"{kind}.conf").write_text(STORAGE.format(folder=folder, kind=kind))
        ring = RingBuilder(2, 1, 1)  # four partitions, one copy
        place = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1",
                 "replication_port": port, "device": "d1", "meta": ""}  # fmt: skip
        ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, **place})
        ring.rebalance()
        ring.get_ring().save(str(folder / f"{kind}.ring.gz"))
    sections = [f"[filter:{name}]\nuse = egg:swift#{name}\n{text}\n"
                for name, text in FILTERS.items()]  # fmt: skip
    proxy = PROXY.format(folder=folder, filters=" ".join(FILTERS))
    (folder / "proxy.conf").write_text(proxy + "\n".join(sections))


def main(folder: Path) -> None:
    """Serve until standard input is closed."""
    logging.getLogger().setLevel(logging.CRITICAL)
    kinds = ("account", "container", "object", "proxy")
    listeners = {kind: eventlet.listen(("127.0.0.1", 0)) for kind in kinds}
    ports = {kind: listener.getsockname()[1] for kind, listener in listeners.items()}
    configure(folder, {kind: ports[kind] for kind in kinds[:3]})
    utils.set_swift_dir(str(folder))
    reload_storage_policies()
    for kind, listener in listeners.items():
        app = loadapp(str(folder / f"{kind}.conf"))
        served = Counting(app) if kind == "proxy" else app
        quiet = {"log": logging.getLogger("wsgi"), "log_output": False, "debug": False}
        eventlet.spawn(wsgi.server, listener, served, protocol=SwiftHttpProtocol, **quiet)
    print(json.dumps({"port": ports["proxy"]}), flush=True)
    tpool.execute(sys.stdin.buffer.read)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
