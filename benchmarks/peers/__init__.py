"""What a user would pick instead: the same chain of stages in each peer's own way."""

from . import callbacks, clusters, dataflows, executors, queues
from .peer import Feed, Item, Peer

PEERS: list[Peer] = [
    *dataflows.PEERS,
    *queues.PEERS,
    *callbacks.PEERS,
    *executors.PEERS,
    *clusters.PEERS,
]

__all__ = ["PEERS", "Feed", "Item", "Peer"]
