"""A proxy of two Conversations between redis-py and redis-server: clients must not notice it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import redis
import redis.asyncio as redis_asyncio

from l7codec import Kind
from l7codec.protocols import redis as codec

from .programs import PATIENCE, free_port, program, running
from .proxy import Proxy
from .redis_wire import wire

pytestmark = pytest.mark.interop


@asynccontextmanager
async def client(port, protocol):
    connection = redis_asyncio.Redis(port=port, protocol=protocol, socket_timeout=PATIENCE)
    try:
        yield connection
    finally:
        await connection.aclose()


async def workload(port, protocol):
    """Everything a client does; what it sees, but for what the server makes up."""
    seen = []
    async with client(port, protocol) as one:
        seen.append(await one.set("k", b"v\r\n" * 1000))
        seen.append(await one.get("k"))
        seen.append(await one.mget("k", "nope", "k"))
        async with one.pipeline(transaction=False) as pipeline:
            for n in range(1000):
                pipeline.set(f"key:{n}", "x" * (n % 300)).get(f"key:{n}")
            seen.append(await pipeline.execute())
        async with one.pipeline(transaction=True) as pipeline:
            pipeline.incr("n").hset("h", mapping={"a": 1, "b": 2}).hgetall("h").zadd("z", {"m": 1.5}).zscore("z", "m")
            seen.append(await pipeline.execute())
        async with one.pipeline(transaction=True) as pipeline:
            await pipeline.watch("n")
            await one.incr("n")
            pipeline.multi()
            pipeline.get("n")
            try:
                seen.append(await pipeline.execute())
            except redis.WatchError:
                seen.append("changed")
        for wrong in (("NOPE",), ("GET",), ("LPUSH", "k", "1"), ("EVAL", "return redis.error_reply('MY own')", 0)):
            try:
                seen.append(await one.execute_command(*wrong))
            except redis.ResponseError as error:
                seen.append(str(error))
        seen.append(await one.eval("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}", 1, "n", "a"))
        seen.append(await one.set("big", b"\0" * 3_000_000))
        seen.append(len(await one.get("big")))
        seen.append(await one.blpop(["empty", "empty2"], timeout=0.01))
        seen.append(await one.xadd("x", {"f": "v"}, id="1-1"))
        seen.append(await one.xread({"x": "0"}))
        await one.lpush("l", *range(1000))
        seen.append(await one.lrange("l", 0, -1))
        seen.append(await one.sort("l", start=0, num=3, store="sorted"))
        listener = one.pubsub()
        await listener.subscribe("news", "weather")
        await listener.psubscribe("n*")
        seen += [await listener.get_message(timeout=PATIENCE) for _ in range(3)]
        seen.append(await one.publish("news", b"\r\n$1\r\n"))
        seen += [await listener.get_message(timeout=PATIENCE) for _ in range(2)]
        await listener.unsubscribe("weather")
        await listener.punsubscribe()
        seen += [await listener.get_message(timeout=PATIENCE) for _ in range(2)]
        await listener.aclose()
    return seen


def spotless(proxy):
    """Nothing went wrong, and nothing is owed."""
    assert not proxy.failures
    for downstream, upstream in proxy.legs:
        assert not downstream.pending
        assert not upstream.pending
        for conversation in (downstream, upstream):
            assert conversation.client.error is conversation.server.error is None


def empty(port):
    with wire(port) as connection:
        connection.run(codec.pack(["FLUSHALL"]))


@pytest.mark.parametrize("protocol", [2, 3])
def test_clients_do_not_notice(redis_port, protocol):
    async def run():
        empty(redis_port)
        directly = await workload(redis_port, protocol)
        empty(redis_port)
        async with Proxy(redis_port) as proxy:
            assert await workload(proxy.port, protocol) == directly
        spotless(proxy)

    asyncio.run(run())


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_key_gets_a_prefix(redis_port, protocol):
    async def run():
        empty(redis_port)
        directly = await workload(redis_port, protocol)
        empty(redis_port)
        async with Proxy(redis_port, key_prefix="tenant:{1}:") as proxy:
            through = await workload(proxy.port, protocol)
        spotless(proxy)
        assert repr(through).replace("tenant:{1}:", "") == repr(directly)  # replies name keys, and keep the prefix
        assert through != directly
        async with client(redis_port, protocol) as one:
            names = await one.keys("*")
            assert len(names) > 1000
            assert all(name.startswith(b"tenant:{1}:") for name in names)

    asyncio.run(run())


def test_answers_of_its_own_wait_for_their_turn(redis_port):
    """BLPOP holds everything back; the proxy's answer behind it comes behind it."""

    async def run():
        empty(redis_port)
        answers = {"PROXY.NAME": lambda message: b"l7codec", "TIME": lambda message: [b"0", b"0"]}
        async with Proxy(redis_port, answers=answers, denied=frozenset({"FLUSHALL"})) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            requests = [["PROXY.NAME"], ["BLPOP", "l", "0"], ["TIME"], ["GET", "k"], ["FLUSHALL"], ["PROXY.NAME"]]
            writer.write(b"".join(map(codec.pack, requests)))
            assert await reader.readexactly(13) == b"$7\r\nl7codec\r\n"
            async with client(redis_port, 2) as other:
                await other.set("kept", "v")
                while not any("b" in one["flags"] for one in await other.client_list()):
                    continue
                await other.rpush("l", "x")
            expected = codec.reply([b"l", b"x"]).raw + codec.reply([b"0", b"0"]).raw + b"$-1\r\n"
            expected += b"-NOPERM denied\r\n$7\r\nl7codec\r\n"
            assert await reader.readexactly(len(expected)) == expected
            writer.close()
        spotless(proxy)
        async with client(redis_port, 2) as other:
            assert await other.get("kept") == b"v"  # FLUSHALL was not passed on

    asyncio.run(run())


@pytest.mark.parametrize("data", [b"*1\r\n:4\r\n", b"ECHO 'a\r\n", b"*x\r\n"])
def test_wrong_bytes_are_answered_as_the_server_does(redis_port, data):
    def ask(port):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(codec.pack(["PING"]))
            assert connection.recv(100) == b"+PONG\r\n"
            connection.sendall(data)
            return connection.recv(1000), connection.recv(1000)

    async def run():
        async with Proxy(redis_port) as proxy:
            assert await asyncio.to_thread(ask, proxy.port) == ask(redis_port)

    asyncio.run(run())


def test_invalidations_lose_the_prefix(redis_port):
    async def run():
        empty(redis_port)
        async with Proxy(redis_port, key_prefix="t:") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"".join(map(codec.pack, [["HELLO", 3], ["CLIENT", "TRACKING", "on"], ["GET", "k"]])))
            await reader.readuntil(b"+OK\r\n_\r\n")
            async with client(redis_port, 2) as other:
                await other.set("t:k", "v")
            expected = codec.reply(codec.Push([b"invalidate", [b"k"]]), 3).raw
            assert await reader.readexactly(len(expected)) == expected
            writer.close()
        spotless(proxy)

    asyncio.run(run())


HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    server s 127.0.0.1:{proxy} {how}
"""


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2"])
def test_behind_haproxy(redis_port, tmp_path, how):
    """The original addresses come in a header; every message carries them beside haproxy's own."""

    def ask(port):
        with redis.Redis(port=port, socket_timeout=PATIENCE) as connection:
            connection.set("k", "v")
            assert connection.get("k") == b"v"
            return connection.connection_pool.get_connection()._sock.getsockname()[1]

    def listens(port):
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except OSError:
            return False
        return True

    async def run():
        async with Proxy(redis_port, expect_header=True) as proxy:
            port = free_port()
            config = tmp_path / "haproxy.cfg"
            config.write_text(HAPROXY.format(port=port, proxy=proxy.port, how=how))
            command = [program("haproxy"), "-db", "-f", str(config)]
            with running(command, tmp_path / "haproxy.log", lambda: listens(port)):
                source = await asyncio.to_thread(ask, port)
        requests = [one for one in proxy.seen if one.metadata.get("method") in ("SET", "GET")]
        assert len(requests) == 2
        for request in requests:
            assert request.metadata["source.address"] == "127.0.0.1"
            assert request.metadata["source.port"] == source
            assert request.metadata["peer.port"] != source
            assert request.metadata["destination.port"] == port

    asyncio.run(run())


def test_one_proxy_behind_another(redis_port):
    """One writes a header, the other demands it."""

    async def run():
        empty(redis_port)
        async with Proxy(redis_port, expect_header=True) as inner, Proxy(inner.port, send_header=True) as outer:
            seen = await workload(outer.port, 3)
        spotless(inner)
        spotless(outer)
        assert len(seen) > 20
        ports = {one.metadata["source.port"] for one in inner.seen}
        assert ports == {one.metadata["source.port"] for one in outer.seen}
        assert all(one.kind in (Kind.REQUEST, Kind.ONEWAY) for one in inner.seen)

    asyncio.run(run())
