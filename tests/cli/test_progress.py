"""Progress on standard error: only for a terminal, only for what takes long, and gone in the end."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import subprocess
import sys

import pytest

from l7codec.cli import progress
from tests.capture.talk import Talk

GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
LINE_BEGINS = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless it is moved."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def file_of(tmp_path, size):
    path = tmp_path / "long\x1b[31m.pcap"
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


def test_a_long_file_tells_how_much_of_it_is_done(tmp_path, clock):
    terminal = Terminal()
    shown = progress.Progress(file_of(tmp_path, 50_000_000), terminal)
    assert shown.wanted
    shown.update(1_000_000)
    assert terminal.getvalue() == ""  # nobody needs to read what is over at once
    for offset, done in (10_000_000, " 20%"), (60_000_000, "100%"):  # a file may grow meanwhile
        clock[0] += 1
        shown.update(offset)
        shown.update(offset)
        assert terminal.getvalue().endswith(f"{done} of 50.0 MB")
    assert terminal.getvalue().count(LINE_BEGINS) == 2
    assert "\x1b[31m" not in terminal.getvalue()
    shown.clear()
    shown.clear()
    assert terminal.getvalue().endswith(LINE_BEGINS)
    assert terminal.getvalue().count(LINE_BEGINS) == 3


@pytest.mark.parametrize(("stream", "size"), [(io.StringIO(), 50_000_000), (Terminal(), 1000)])
def test_nobody_is_told_of_a_short_file_or_in_a_pipe(tmp_path, clock, stream, size):
    shown = progress.Progress(file_of(tmp_path, size), stream)
    assert not shown.wanted
    clock[0] += 1
    shown.update(500)
    shown.clear()
    assert stream.getvalue() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_on_a_real_terminal_the_line_comes_and_goes(command):
    """A capture is piped in until the line appears; behind the last one stands the summary alone."""
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(
        [command, "decode", "--json", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
    )
    os.close(stderr)
    talk = Talk().handshake()
    process.stdin.write(talk.file())
    while not select.select([terminal], [], [], 0)[0]:
        talk.records.clear()
        talk.c(GET).s(b"$1\r\nx\r\n")
        process.stdin.write(b"".join(talk.records))
    process.stdin.close()
    said = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while data := os.read(terminal, 4096):
            said += data
    os.close(terminal)
    assert process.wait() == 0
    text = said.decode()
    assert text.startswith(f"{LINE_BEGINS}-: ")
    progress_lines, end, summary = text.rpartition(LINE_BEGINS)
    assert progress_lines
    assert end
    assert summary.startswith("1 conversation · ")
    assert "0 errors" in summary
