"""Sends the events of `dag.py` with the OpenLineage client.

emit.py                     as its environment configures it
emit.py --transport JSON    as this program configures it
emit.py --batch URL         all in one request, for which the client has no call; prints the answer

Succeeds when everything was delivered. `--log` tells of every request, on standard error.
"""

import argparse
import gzip
import json
import logging

import requests
from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde

from dag import events


def emit(transport: dict | None) -> bool:
    client = OpenLineageClient(config=transport and {"transport": transport})
    print(client.transport.kind, client.transport.compression, client.transport.endpoint)
    for event in events():
        client.emit(event)  # over the synchronous transport, what is not delivered is an exception
    is_done = client.close()
    failed = client.transport.get_stats()["failed"] if client.transport.kind == "async_http" else 0
    return is_done and failed == 0


def send_batch(url: str) -> bool:
    listed = "[" + ",".join(Serde.to_json(event) for event in events()) + "]"
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = requests.post(url, data=gzip.compress(listed.encode()), headers=headers, timeout=60)
    answer.raise_for_status()
    print(json.dumps(answer.json()))
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", type=json.loads)
    parser.add_argument("--batch")
    parser.add_argument("--log", action="store_true")
    asked = parser.parse_args()
    if asked.log:
        logging.basicConfig(level=logging.DEBUG)
    is_done = send_batch(asked.batch) if asked.batch else emit(asked.transport)
    raise SystemExit(not is_done)


if __name__ == "__main__":
    main()
