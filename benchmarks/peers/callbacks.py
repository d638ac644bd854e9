"""Peers that call the next stage on the caller's thread: events, signals, streams."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

from .peer import Count, Feed, Item, Peer, step


def feed_all(
    send: Callable[[Item], object], count: Count, items: Sequence[Item]
) -> int:
    """Send each item; it is at the end when the call returns."""
    before = count.seen
    for item in items:
        send(item)
    return count.since(before)


@contextmanager
def with_pyee(depth: int) -> Iterator[Feed]:
    """An emitter; the listener of each event emits the next one."""
    from pyee.base import EventEmitter

    emitter, count = EventEmitter(), Count()

    def listener(following: str) -> Callable[[Item], None]:
        def listen(item: Item) -> None:
            emitter.emit(following, step(item))

        return listen

    for index in range(depth - 1):
        emitter.on(f"stage {index}", listener(f"stage {index + 1}"))
    emitter.on(f"stage {depth - 1}", count)
    yield partial(feed_all, partial(emitter.emit, "stage 0"), count)


@contextmanager
def with_blinker(depth: int) -> Iterator[Feed]:
    """A signal for each stage; its receiver sends the next one."""
    from blinker import Signal

    signals, count = [Signal() for _ in range(depth)], Count()

    def receiver(following: Signal) -> Callable[[Item], None]:
        def receive(item: Item) -> None:
            following.send(step(item))

        return receive

    for signal, following in pairwise(signals):
        signal.connect(receiver(following), weak=False)
    signals[-1].connect(count, weak=False)
    yield partial(feed_all, signals[0].send, count)


@contextmanager
def with_reactivex(depth: int) -> Iterator[Feed]:
    """A subject and `map` operators."""
    from reactivex import operators
    from reactivex.subject import Subject

    source: Subject[Item] = Subject()
    count = Count()
    stages = [operators.map(step) for _ in range(depth - 1)]
    subscription = source.pipe(*stages).subscribe(count)
    yield partial(feed_all, source.on_next, count)
    subscription.dispose()


@contextmanager
def with_streamz(depth: int) -> Iterator[Feed]:
    """A stream and `map` nodes."""
    from streamz import Stream

    source, count = Stream(), Count()
    node = source
    for _ in range(depth - 1):
        node = node.map(step)
    node.sink(count)
    yield partial(feed_all, source.emit, count)


PEERS = [
    Peer(
        "reactivex, map",
        with_reactivex,
        "reactivex",
        4_000,
        "no jobs; an error ends the stream",
    ),
    Peer("pyee", with_pyee, "pyee", 4_000),
    Peer("blinker", with_blinker, "blinker", 4_000),
    Peer("streamz, map", with_streamz, "streamz", 2_000),
]
