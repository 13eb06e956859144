"""`--jobs N`: one file shared by N processes, and their output put together in the order one process would give.

    file ─┬─▶ worker 0 ── batches ──▶ ┐
          ├─▶ worker 1 ── batches ──▶ ├─▶ merged by the packet each line came with ─▶ output
          └─▶ …                       ┘

Each worker reads the whole file and keeps its own conversations, which costs less than sending packets around. What it
prints it sends here with the number of the packet that was being worked on. Numbers of conversations depend on how
many the others have opened before: they are filled in here.

Always the worker that lags behind is listened to; the others wait when their pipe is full. So nothing piles up.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import threading
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, Final

from ..capture import Burst, Ends, Summary
from ..message import Message
from .collector import calm_collector
from .options import Reading

__all__ = ["LARGE", "RUN", "Job", "run_jobs"]

RUN: Final = 64
"""So many bursts are read before lines are made of them: the processor does one thing at a time sooner than two things
in turn (`benchmarks/decode.py` tells)."""
LARGE: Final = 1 << 16
"""Fewer where a message is larger than so many bytes: none of it is to be kept long."""

_BATCH: Final = 2000  # lines sent at once
_NEVER: Final = 1 << 62
_PLACE: Final = itemgetter(0)

Job = Callable[[Sequence[Message], int, int, Ends], Any]
"""What is made of a burst: its lines. In a worker, with a conversation's number still to be filled in."""


@dataclass(slots=True)
class _Batch:
    """What a worker sends."""

    reached: int
    """Where it was: twice the packet, and one more but for what the packet's time alone brought about."""
    offset: int
    """Where in the file it stood."""
    openings: list[int]
    """Where it opened its further conversations."""
    places: list[int]
    """Where each of its bursts came from, in the same count."""
    conversations: list[int]
    lines: list[Any]
    ended: bool = False
    """Whether the lines come from what was still open at the capture's end."""
    summary: Summary | None = None
    """With the last batch."""
    error: Exception | None = None


def _work(
    connection: Connection,
    reading: Reading,
    path: str,
    shard: tuple[int, int],
    make: Callable[[], Job],
    forked: bool,
) -> None:
    """A worker's life."""
    calm_collector()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    try:
        _send_all(connection, reading, path, shard, make, forked)
    except BrokenPipeError:
        pass  # nobody listens any more
    except Exception as error:  # whatever it is, the parent raises it at its place in the output
        with contextlib.suppress(BrokenPipeError):
            connection.send(_Batch(_NEVER, 0, [], [], [], [], error=error))
    finally:
        connection.close()


def _send_all(
    connection: Connection,
    reading: Reading,
    path: str,
    shard: tuple[int, int],
    make: Callable[[], Job],
    forked: bool,
) -> None:
    if not forked:
        reading.load()
    job = make()
    with reading.open(path, shard) as reader:
        streams = reader.streams
        openings: list[int] = []
        streams.openings = openings
        places: list[int] = []
        conversations: list[int] = []
        lines: list[Any] = []
        ended = False

        def flush(summary: Summary | None = None) -> None:
            reached = _NEVER if streams.ended else 2 * streams.frame + (not streams.late)
            connection.send(_Batch(reached, reader.offset, openings, places, conversations, lines, ended, summary))
            for sent in (openings, places, conversations, lines):
                sent.clear()

        run: list[tuple[int, Burst]] = []

        def finish() -> None:
            for place, (messages, time_ns, frame, ends) in run:
                made = job(messages, time_ns, frame, ends)
                if made:
                    places.append(place)
                    conversations.append(ends.conversation)
                    lines.append(made)
            run.clear()

        for burst in reader.bursts():
            if streams.ended and not ended:
                finish()
                flush()
                ended = True
            run.append((2 * streams.frame + (not streams.late), burst))
            if len(run) >= RUN or len(burst[0][0].raw) > LARGE:
                finish()
                if len(lines) >= _BATCH:
                    flush()
        finish()
        flush(reader.summary)


@dataclass(slots=True)
class _Worker:
    """A worker, as the parent sees it."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    reached: int = 0
    offset: int = 0
    openings: array[int] = field(default_factory=lambda: array("Q"))
    places: list[int] = field(default_factory=list)
    conversations: list[int] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)
    last: list[tuple[int, Any]] = field(default_factory=list)
    """Lines of what was still open at the capture's end, with their conversations."""
    summary: Summary | None = None

    def listen(self) -> None:
        """Take in the next batch. Raises what the worker raised."""
        try:
            batch: _Batch = self.connection.recv()
        except EOFError:
            self.process.join()
            raise ChildProcessError(f"a worker process died with status {self.process.exitcode}") from None
        if batch.error is not None:
            raise batch.error
        self.reached, self.offset = batch.reached, batch.offset
        self.openings.extend(batch.openings)
        if batch.ended:
            self.last.extend(zip(batch.conversations, batch.lines, strict=True))
        else:
            self.places += batch.places
            self.conversations += batch.conversations
            self.lines += batch.lines
        self.summary = batch.summary


def run_jobs(
    reading: Reading, path: str, count: int, make: Callable[[], Job], progress: Callable[[int], None]
) -> Iterator[list[tuple[int, Any]] | Summary]:
    """What `count` workers make of a file: pairs of a conversation's number and what the job made of one of its bursts,
    in order, many at a time; and last the summary.

    `make` gives each worker its job; it must pickle. `progress` is told offsets. Raises CaptureError.
    """
    forked = sys.platform == "linux" and threading.active_count() == 1  # where that is safe: nothing is imported again
    context: Any = multiprocessing.get_context("fork" if forked else "spawn")
    sys.stdout.flush()  # or a forked worker would write it, too
    workers: list[_Worker] = []
    try:
        for index in range(count):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(sender, reading, path, (index, count), make, forked), daemon=True
            )
            process.start()
            sender.close()
            workers.append(_Worker(process, receiver))
        yield from _merge(workers, progress)
    finally:
        for worker in workers:
            worker.connection.close()
            worker.process.terminate()
            worker.process.join()


def _merge(workers: list[_Worker], progress: Callable[[int], None]) -> Iterator[list[tuple[int, Any]] | Summary]:
    known: list[dict[int, int]] = [{} for _ in workers]

    def number(index: int, conversation: int) -> int:
        """The number that this conversation of a worker has among those of all."""
        found = known[index].get(conversation)
        if found is None:
            opened = workers[index].openings[conversation - 1]
            others = (bisect_left(other.openings, opened) for place, other in enumerate(workers) if place != index)
            if len(known[index]) > 1 << 16:
                known[index].clear()
            found = known[index][conversation] = conversation + sum(others)
        return found

    while any(worker.summary is None for worker in workers):
        late = min((worker for worker in workers if worker.summary is None), key=lambda worker: worker.reached)
        late.listen()
        progress(late.offset)
        safe = min(worker.reached for worker in workers)
        ready: list[tuple[int, int, int, Any]] = []
        for index, worker in enumerate(workers):
            stop = bisect_left(worker.places, safe)
            if stop:
                ready += zip(
                    worker.places[:stop], [index] * stop, worker.conversations[:stop], worker.lines[:stop], strict=True
                )
                del worker.places[:stop], worker.conversations[:stop], worker.lines[:stop]
        ready.sort(key=_PLACE)
        if any(not place & 1 for place, _, _, _ in ready):  # there several workers may have something to say
            ready.sort(key=lambda found: (found[0], 0 if found[0] & 1 else number(found[1], found[2])))
        yield [
            (known[index].get(conversation) or number(index, conversation), lines)
            for _, index, conversation, lines in ready
        ]
    last = [
        (number(index, conversation), line)
        for index, worker in enumerate(workers)
        for conversation, line in worker.last
    ]
    last.sort(key=_PLACE)
    yield last
    yield _total(workers, number)


def _total(workers: list[_Worker], number: Callable[[int, int], int]) -> Summary:
    total = Summary()
    for index, worker in enumerate(workers):
        if worker.summary is not None:
            part = worker.summary
            part.troubles = [
                replace(trouble, conversation=number(index, trouble.conversation)) for trouble in part.troubles
            ]
            total.add(part)
    return total
