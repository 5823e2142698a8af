"""Sends the events of `dag.py` with the OpenLineage client, or those of a file.

emit.py                     as its environment configures it
emit.py --transport JSON    as this program configures it
emit.py --batch URL         all in one request, for which the client has no call; prints the answer
emit.py --file FILE         events of others, one a line, over the client's transport; with `--shuffle` in any order

Succeeds when everything was delivered. `--log` tells of every request, on standard error.
"""

import argparse
import gzip
import json
import logging
import random
from pathlib import Path

import requests
from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde

from dag import events


def emit(transport: dict | None, others: list[dict]) -> bool:
    client = OpenLineageClient(config=transport and {"transport": transport})
    print(client.transport.kind, client.transport.compression, client.transport.endpoint)
    # Over the synchronous transport, what is not delivered is an exception.
    if others:
        for event in others:  # the client itself takes its own classes only
            client.transport.emit(event)
    else:
        for event in events():
            client.emit(event)
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


def read(file: Path, is_shuffled: bool) -> list[dict]:
    others = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if is_shuffled:
        random.shuffle(others)
    return others


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", type=json.loads)
    parser.add_argument("--batch")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--log", action="store_true")
    asked = parser.parse_args()
    if asked.log:
        logging.basicConfig(level=logging.DEBUG)
    others = read(asked.file, asked.shuffle) if asked.file else []
    is_done = send_batch(asked.batch) if asked.batch else emit(asked.transport, others)
    raise SystemExit(not is_done)


if __name__ == "__main__":
    main()
