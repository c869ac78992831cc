"""The others: the bare prototype, its bare client, and FastStream, each a process of its own over the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.ours import rate_of
from tests.bench.scene import MILLION, Peer, Scene, Sink
from tests.servers.processes import ROOT

PEERS = ROOT / ".cache" / "bench" / "venv" / "bin" / "python"
"""`packaging/dev.py bench` makes it from packaging/bench-requirements.lock."""


def prototype(
    scene: Scene, sink: Sink, topic: str, *, events: int, records: int = MILLION, **words: Any
) -> float:
    """The bare prototype's messages a second, as the sink saw them."""
    return _rate(scene, sink, "tests.bench.prototype", {**_words(scene, topic, events, records), **words})


def begun_prototype(scene: Scene, sink: Sink, topic: str, *, events: int, records: int = MILLION) -> Peer:
    """The bare prototype, waiting for events."""
    words = _words(scene, topic, events, records) | {"url": f"{sink.url}send"}
    return Peer("tests.bench.prototype", words, scene.folder)


def prototype_to_kafka(scene: Scene, topic: str, *, events: int, records: int = MILLION) -> float:
    """The bare prototype's messages a second into another topic."""
    words = _words(scene, topic, events, records) | {"out": scene.kafka.new_topic("out")}
    said = Peer("tests.bench.prototype", words, scene.folder).said()
    if said["left"]:
        raise SystemExit(f"{said['left']} messages of the prototype's didn't reach Kafka.")
    return float(events / said["seconds"])


def posting(scene: Scene, sink: Sink, *, events: int) -> float:
    """The bare POST limit: the same client, and nothing around it."""
    return _rate(scene, sink, "tests.bench.posting", {"count": events})


def faststream(scene: Scene, sink: Sink, topic: str, *, events: int, records: int = MILLION) -> float:
    """FastStream's messages a second."""
    words = _words(scene, topic, events, records)
    return _rate(scene, sink, "tests.bench.faststream_peer", words, python=peers_python())


def peers_python() -> Path:
    """The interpreter of the peers' own environment."""
    if not PEERS.exists():
        raise SystemExit("FastStream isn't installed: packaging/dev.py bench faststream does that.")
    return PEERS


def _words(scene: Scene, topic: str, events: int, records: int) -> dict[str, Any]:
    store = scene.store(records)
    return {
        "bootstrap": scene.kafka.plain,
        "topic": topic,
        "group": f"peer{scene.number()}",
        "dsn": scene.postgresql.dsn(store.database),
        "store": store.number,
        "count": events,
    }


def _rate(
    scene: Scene, sink: Sink, module: str, words: dict[str, Any], *, python: Path | None = None
) -> float:
    sink.clear()
    Peer(module, words | {"url": f"{sink.url}send"}, scene.folder, python=python).said()
    arrived = sink.figures()
    if arrived["keys"] != words["count"]:
        raise SystemExit(f"{module} lost {words['count'] - arrived['keys']} messages.")
    return rate_of(arrived)
