"""Who answers whom: every rule of `session`, as transcripts. `tests/interop` shows that redis-server talks so."""

from __future__ import annotations

import pytest

from l7codec import Conversation, LimitExceeded, Limits, Reason
from l7codec.protocols import redis

from .talk import CLIENT, ONEWAY, RESPONSE, array, client, push, server, talk

HELLO_2 = array("server", "redis", "proto", 2)
HELLO_3 = redis.reply({b"server": b"redis", b"proto": 3}, 3).raw
OK, QUEUED, PONG = "+OK", "+QUEUED", "+PONG"
TO_RESP3 = (client("HELLO 3"), server(HELLO_3, "HELLO 3", resp=3))


def kinds(messages):
    return [str(message.kind) for message in messages]


class TestOrder:
    def test_responses_come_in_the_order_of_the_requests(self):
        talk(
            client("SET k v"),
            client("GET k"),
            client("NOPE"),
            server(OK, "SET k v"),
            server("$1\r\nv", "GET k"),
            server("-ERR unknown command", "NOPE"),
        )

    def test_empty_commands_have_no_response(self):
        talk(
            client(b"*0\r\n", ONEWAY),
            client(b"\r\n", ONEWAY),
            client(b"*-3\r\n", ONEWAY),
            client("PING"),
            server(PONG, "PING"),
        )

    def test_an_empty_name_is_a_name(self):
        talk(client(b"*1\r\n$0\r\n\r\n"), server("-ERR unknown command ''", to=""))

    def test_a_redirection_answers(self):
        conversation = Conversation("redis")
        list(conversation.client.receive_data(redis.pack(["GET", "k"])))
        (moved,) = conversation.server.receive_data(b"-MOVED 3999 127.0.0.1:6381\r\n")
        assert moved.request.metadata["method"] == "GET"
        assert moved.metadata["redis.slot"] == 3999
        assert moved.metadata["redis.redirect"] == "127.0.0.1:6381"
        assert conversation.idle

    def test_a_response_that_nobody_asked_for(self):
        talk(server("+OK", kind=RESPONSE), client("PING"), server(PONG, "PING"))

    def test_too_many_requests(self):
        conversation = Conversation("redis", limits=Limits(pending=3))
        with pytest.raises(LimitExceeded, match="more than 3 requests"):
            list(conversation.client.receive_data(redis.pack(["PING"]) * 4))

    def test_only_requests_with_a_response_are_pending(self):
        conversation = Conversation("redis", limits=Limits(pending=3))
        data = redis.pack(["CLIENT", "REPLY", "OFF"]) + redis.pack(["PING"]) * 50
        assert set(kinds(conversation.client.receive_data(data))) == {"oneway"}


class TestSubscriptionsInRESP2:
    def test_one_confirmation_a_channel(self):
        conversation = talk(
            client("SUBSCRIBE a b"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a b"),
            server(array("message", "a", "hello")),
            server(array("subscribe", "b", 2), "SUBSCRIBE a b"),
            client("PSUBSCRIBE x*"),
            server(array("message", "b", "hello")),
            server(array("psubscribe", "x*", 3), "PSUBSCRIBE x*"),
            server(array("pmessage", "x*", "x1", "hello")),
        )
        assert conversation.pinned == {"subscribe"}
        assert not conversation.pending

    def test_metadata(self):
        conversation = Conversation("redis")
        list(conversation.client.receive_data(redis.pack(["PSUBSCRIBE", "x*"])))
        data = array("psubscribe", "x*", 1) + array("pmessage", "x*", "x1", "hello")
        confirmation, message = conversation.server.receive_data(data)
        assert confirmation.metadata == {
            "status": "ok",
            "redis.resp": 2,
            "redis.push": "psubscribe",
            "redis.channels": ("x*",),
        }
        assert message.metadata == {"redis.resp": 2, "redis.push": "pmessage", "redis.channels": ("x*", "x1")}
        assert message.body == [b"pmessage", b"x*", b"x1", b"hello"]

    def test_the_same_channel_twice(self):
        talk(
            client("SUBSCRIBE a a"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a a"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a a"),
            client("PING"),
            server(array("pong", ""), "PING"),
        )

    def test_shards(self):
        talk(
            client("SSUBSCRIBE s"),
            server(array("ssubscribe", "s", 1), "SSUBSCRIBE s"),
            server(array("smessage", "s", "hello")),
            server(array("sunsubscribe", "s", 0)),  # the slot has moved away
            client("GET k"),
            server(array("message", "a", "b"), "GET k"),
        )

    def test_leaving_everything(self):
        conversation = talk(
            client("SUBSCRIBE a b c"),
            *(server(array("subscribe", name, n), "SUBSCRIBE a b c") for n, name in enumerate("abc", 1)),
            client("UNSUBSCRIBE b"),
            server(array("unsubscribe", "b", 2), "UNSUBSCRIBE b"),
            client("UNSUBSCRIBE"),
            client("UNSUBSCRIBE"),
            client("PING"),
            server(array("unsubscribe", "c", 1), "UNSUBSCRIBE"),
            server(array("unsubscribe", "a", 0), "UNSUBSCRIBE"),
            server(array("unsubscribe", None, 0), "UNSUBSCRIBE"),
            server(PONG, "PING"),
        )
        assert conversation.idle

    def test_leaving_what_was_never_joined(self):
        talk(
            client("PUNSUBSCRIBE"),
            client("SUNSUBSCRIBE x y"),
            client("PING"),
            server(array("punsubscribe", None, 0), "PUNSUBSCRIBE"),
            server(array("sunsubscribe", "x", 0), "SUNSUBSCRIBE x y"),
            server(array("sunsubscribe", "y", 0), "SUNSUBSCRIBE x y"),
            server(PONG, "PING"),
        )

    def test_patterns_and_channels_are_apart(self):
        talk(
            client("SUBSCRIBE a b"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a b"),
            server(array("subscribe", "b", 2), "SUBSCRIBE a b"),
            client("PSUBSCRIBE p"),
            server(array("psubscribe", "p", 3), "PSUBSCRIBE p"),
            client("PUNSUBSCRIBE"),
            client("PING"),
            server(array("punsubscribe", "p", 2), "PUNSUBSCRIBE"),
            server(array("pong", ""), "PING"),
        )

    def test_ping_and_refused_commands_answer(self):
        talk(
            client("SUBSCRIBE a"),
            client("PING x"),
            client("GET k"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a"),
            server(array("message", "a", "hello")),
            server(array("pong", "x"), "PING x"),
            server("-ERR Can't execute 'get'", "GET k"),
        )

    @pytest.mark.parametrize("refusal", ["-NOPERM no", "-MOVED 1 h:1", "-ERR wrong number of arguments"])
    def test_one_error_for_many_channels(self, refusal):
        talk(client("SUBSCRIBE a b c"), client("PING"), server(refusal, "SUBSCRIBE a b c"), server("+PONG", "PING"))

    def test_a_list_that_looks_like_a_message(self):
        """Nobody has subscribed, so it is an answer."""
        talk(
            client("LRANGE l 0 -1"),
            client("LRANGE m 0 -1"),
            server(array("message", "a", "b"), "LRANGE l 0 -1"),
            server(array("subscribe", "a", 1), "LRANGE m 0 -1"),
        )

    def test_a_message_from_a_subscription_that_was_not_seen(self):
        talk(server(array("message", "a", "b")), client("PING"), server(array("pong", ""), "PING"))

    def test_reset_leaves_everything(self):
        conversation = talk(
            client("SUBSCRIBE a"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a"),
            client("RESET"),
            server(array("message", "a", "hello")),
            server("+RESET", "RESET"),
            client("LRANGE l 0 -1"),
            server(array("message", "a", "b"), "LRANGE l 0 -1"),
        )
        assert conversation.idle

    def test_a_transaction_is_refused(self):
        """MULTI was, so that the next subscription is none of a transaction."""
        talk(
            client("SUBSCRIBE a"),
            server(array("subscribe", "a", 1), "SUBSCRIBE a"),
            client("MULTI"),
            client("SUBSCRIBE b c"),
            server("-ERR Can't execute 'multi'", "MULTI"),
            server(array("subscribe", "b", 2), "SUBSCRIBE b c"),
            server(array("subscribe", "c", 3), "SUBSCRIBE b c"),
            client("PING"),
            server(array("pong", ""), "PING"),
        )


class TestSubscriptionsInRESP3:
    def test_confirmations_are_pushes_that_answer(self):
        conversation = talk(
            *TO_RESP3,
            client("SUBSCRIBE a b"),
            client("GET k"),
            server(push("subscribe", "a", 1), "SUBSCRIBE a b", resp=3),
            server(push("message", "a", "hello")),
            server(push("subscribe", "b", 2), "SUBSCRIBE a b"),
            server("_", "GET k"),
        )
        assert conversation.pinned == {"subscribe"}

    def test_messages_between_responses(self):
        talk(
            *TO_RESP3,
            client("SUBSCRIBE a"),
            server(push("subscribe", "a", 1), "SUBSCRIBE a"),
            client("PUBLISH a hello"),
            client("LRANGE l 0 -1"),
            server(push("message", "a", "hello")),  # the client's own comes before the reply
            server(":1", "PUBLISH a hello"),
            server(array("message", "a", "hello"), "LRANGE l 0 -1"),  # an array is never a push
        )

    def test_leaving_everything(self):
        conversation = talk(
            *TO_RESP3,
            client("SUBSCRIBE a b"),
            server(push("subscribe", "a", 1), "SUBSCRIBE a b"),
            server(push("subscribe", "b", 2), "SUBSCRIBE a b"),
            client("UNSUBSCRIBE"),
            client("PING"),
            server(push("unsubscribe", "a", 1), "UNSUBSCRIBE"),
            server(push("message", "b", "hello")),
            server(push("unsubscribe", "b", 0), "UNSUBSCRIBE"),
            server(PONG, "PING"),
            client("UNSUBSCRIBE"),
            server(b">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n", "UNSUBSCRIBE"),
        )
        assert conversation.idle

    def test_the_server_ends_a_subscription(self):
        conversation = talk(
            *TO_RESP3,
            client("SSUBSCRIBE s"),
            server(push("ssubscribe", "s", 1), "SSUBSCRIBE s"),
            client("GET k"),
            server(push("sunsubscribe", "s", 0)),
            server("_", "GET k"),
        )
        assert conversation.idle

    def test_back_to_resp2_with_a_subscription(self):
        talk(
            *TO_RESP3,
            client("SUBSCRIBE a"),
            server(push("subscribe", "a", 1), "SUBSCRIBE a"),
            client("HELLO 2"),
            server(HELLO_2, "HELLO 2", resp=2),
            client("PING"),
            server(array("message", "a", "hello")),
            server(array("pong", ""), "PING"),
        )

    def test_invalidations(self):
        conversation = Conversation("redis")
        list(conversation.client.receive_data(redis.pack(["HELLO", 3]) + redis.pack(["GET", "k"])))
        data = HELLO_3 + push("invalidate", ["a", "b"]) + b"$1\r\nv\r\n" + b">2\r\n$10\r\ninvalidate\r\n_\r\n"
        _, some, value, everything = conversation.server.receive_data(data)
        assert some.metadata == {"redis.resp": 3, "redis.push": "invalidate", "keys": ("a", "b")}
        assert everything.metadata == {"redis.resp": 3, "redis.push": "invalidate"}
        assert (some.request, everything.request) == (None, None)
        assert value.request.metadata["method"] == "GET"

    def test_a_push_with_attributes(self):
        talk(
            *TO_RESP3,
            client("PING"),
            server(b"|1\r\n+a\r\n:1\r\n" + push("message", "a", "b")),
            server(b"|1\r\n+a\r\n:1\r\n+PONG\r\n", "PING"),
        )

    def test_pushes_of_any_form(self):
        talk(*TO_RESP3, client("PING"), server(">0"), server(">1\r\n:1"), server(">1\r\n*0"), server(PONG, "PING"))


class TestHello:
    def test_both_ways(self):
        talk(
            client("GET k"),
            server("$-1", "GET k", resp=2),
            *TO_RESP3,
            client("GET k"),
            server("_", "GET k", resp=3),
            client("HELLO 2"),
            server(HELLO_2, "HELLO 2", resp=2),
            client("GET k"),
            server("$-1", "GET k", resp=2),
        )

    @pytest.mark.parametrize("refusal", ["-NOPROTO unsupported protocol version", "-WRONGPASS no", "-NOAUTH no"])
    def test_refused(self, refusal):
        talk(
            client("HELLO 3 AUTH u p"),
            client("GET k"),
            server(refusal, "HELLO 3 AUTH u p", resp=2),
            server("$-1", "GET k", resp=2),
        )

    def test_without_a_version(self):
        talk(*TO_RESP3, client("HELLO"), server(HELLO_3, "HELLO", resp=3))

    def test_pipelined(self):
        talk(
            client("HELLO 3"),
            client("GET k"),
            client("HELLO 2"),
            client("GET k"),
            server(HELLO_3, "HELLO 3", resp=3),
            server("_", "GET k", resp=3),
            server(HELLO_2, "HELLO 2", resp=2),
            server("$-1", "GET k", resp=2),
        )

    def test_a_type_of_resp3_proves_it(self):
        talk(
            server("$-1", kind=RESPONSE, resp=2),
            server(",1.5", kind=RESPONSE, resp=3),
            server("$-1", kind=RESPONSE, resp=3),
        )

    def test_queued(self):
        talk(
            client("MULTI"),
            client("HELLO 3"),
            client("GET k"),
            client("EXEC"),
            client("GET k"),
            server(OK, "MULTI", resp=2),
            server(QUEUED, "HELLO 3", resp=2),
            server(QUEUED, "GET k", resp=2),
            server(b"*2\r\n" + HELLO_3 + b"_\r\n", "EXEC"),
            server("$-1", "GET k", resp=3),
        )

    def test_queued_and_answered_before_it_is_executed(self):
        talk(
            client("MULTI"),
            server(OK, "MULTI"),
            client("HELLO 3"),
            server(QUEUED, "HELLO 3"),
            client("EXEC"),
            client("GET k"),
            server(b"*1\r\n" + HELLO_2, "EXEC"),
            server("$-1", "GET k", resp=3),
        )

    def test_queued_and_refused(self):
        talk(
            client("MULTI"),
            client("PING"),
            client("HELLO 3 AUTH u p"),
            client("EXEC"),
            client("GET k"),
            server(OK, "MULTI"),
            server(QUEUED, "PING"),
            server(QUEUED, "HELLO 3 AUTH u p"),
            server("*2\r\n+PONG\r\n-WRONGPASS no", "EXEC"),
            server("$-1", "GET k", resp=2),
        )

    @pytest.mark.parametrize("end", ["DISCARD", "EXEC", "RESET"])
    def test_queued_and_given_up(self, end):
        talk(
            client("MULTI"),
            client("HELLO 3"),
            client(end),
            client("GET k"),
            server(OK, "MULTI"),
            server(QUEUED, "HELLO 3"),
            server({"DISCARD": OK, "EXEC": "*-1", "RESET": "+RESET"}[end], end),
            server("$-1", "GET k", resp=2),
        )


class TestWrongPasswords:
    """Redis 8.2 does not answer them while answers to earlier requests are on their way out."""

    @pytest.mark.parametrize("line", ["AUTH nobody x", "HELLO 3 AUTH nobody x"])
    @pytest.mark.parametrize("answer", [":1", "$1\r\nx", "+PONG"])
    def test_passed_over(self, line, answer):
        talk(
            client("PING x"),
            client(line),
            client("GET k"),
            client("PING y"),
            server("$1\r\nx", "PING x"),
            server(answer, "GET k", resp=2),
            server("$1\r\ny", "PING y"),
        )

    def test_authentication_is_still_required(self):
        talk(
            client("GET j"),
            client("AUTH x"),
            client("GET k"),
            server("-NOAUTH no", "GET j"),
            server("-NOAUTH no", "GET k"),
        )

    @pytest.mark.parametrize("answer", ["+OK", "-WRONGPASS no", "-ERR no password is set", "+QUEUED"])
    def test_answered(self, answer):
        talk(client("PING"), client("AUTH x"), client("PING"), server(PONG, "PING"), server(answer, "AUTH x"))


class TestReset:
    def test_back_to_the_beginning(self):
        conversation = talk(
            *TO_RESP3,
            client("WATCH k"),
            client("MULTI"),
            client("SUBSCRIBE a"),
            client("RESET"),
            client("GET k"),
            server(OK, "WATCH k"),
            server(OK, "MULTI"),
            server(QUEUED, "SUBSCRIBE a"),
            server("+RESET", "RESET", resp=2),
            server("$-1", "GET k", resp=2),
        )
        assert conversation.idle

    def test_it_ends_silence(self):
        talk(client("CLIENT REPLY OFF", ONEWAY), client("GET k", ONEWAY), client("RESET"), server("+RESET", "RESET"))

    def test_with_an_argument_it_is_refused(self):
        talk(
            client("CLIENT REPLY OFF", ONEWAY),
            client("RESET now", ONEWAY),
            client("CLIENT REPLY ON"),
            server(OK, "CLIENT REPLY ON"),
        )

    def test_unseen(self):
        conversation = talk(
            *TO_RESP3,
            client("SUBSCRIBE a"),
            server(push("subscribe", "a", 1), "SUBSCRIBE a"),
            client("CLIENT REPLY SKIP", ONEWAY),
            client("RESET", ONEWAY),
            client("GET k"),
            server("$-1", "GET k", resp=2),
        )
        assert conversation.idle


class TestClientReply:
    def test_off_and_on(self):
        conversation = talk(
            client("client reply off", ONEWAY),
            client("SET k v", ONEWAY),
            client("NOPE", ONEWAY),
            client("CLIENT REPLY ON"),
            client("GET k"),
            server(OK, "CLIENT REPLY ON"),
            server("$1\r\nv", "GET k"),
        )
        assert conversation.idle

    def test_off_pins(self):
        assert talk(client("CLIENT REPLY OFF", ONEWAY)).pinned == {"reply"}
        assert talk(client("CLIENT REPLY SKIP", ONEWAY)).pinned == {"reply"}

    def test_skip(self):
        talk(
            client("CLIENT REPLY SKIP", ONEWAY),
            client("SET k v", ONEWAY),
            client("GET k"),
            server("$1\r\nv", "GET k"),
        )

    def test_skip_twice(self):
        talk(
            client("CLIENT REPLY SKIP", ONEWAY),
            client("CLIENT REPLY SKIP", ONEWAY),
            client("PING", ONEWAY),
            client("PING x"),
            server("$1\r\nx", "PING x"),
        )

    def test_skip_while_off(self):
        talk(
            client("CLIENT REPLY OFF", ONEWAY),
            client("CLIENT REPLY SKIP", ONEWAY),
            client("CLIENT REPLY ON"),
            client("PING"),
            server(OK, "CLIENT REPLY ON"),
            server(PONG, "PING"),
        )

    def test_on_ends_a_skip(self):
        talk(
            client("CLIENT REPLY SKIP", ONEWAY),
            client("CLIENT REPLY ON"),
            client("PING"),
            server(OK, "CLIENT REPLY ON"),
            server(PONG, "PING"),
        )

    @pytest.mark.parametrize(
        "line", ["CLIENT REPLY", "CLIENT REPLY MAYBE", "CLIENT REPLY OFF x", "CLIENT REPLY SKIP x"]
    )
    def test_errors_are_answered(self, line):
        talk(client(line), client("PING"), server("-ERR no", line), server(PONG, "PING"))

    def test_off_was_refused(self):
        """The client had to authenticate first; whom the responses belong to nobody knows until all is quiet."""
        talk(
            client("CLIENT REPLY OFF", ONEWAY),
            client("GET k", ONEWAY),
            server("-NOAUTH no", kind=RESPONSE),
            server("-NOAUTH no", kind=RESPONSE),
            client("PING"),
            server(PONG, "PING"),
        )

    def test_an_empty_command_after_skip(self):
        """Redis 7.0 and Valkey answer the next request, Redis 8 does not: if an answer comes, it is nobody's."""
        talk(
            client("CLIENT REPLY SKIP", ONEWAY),
            client(b"*0\r\n", ONEWAY),
            client("GET k", ONEWAY),
            server("$1\r\nx", kind=RESPONSE),
        )

    def test_pushes_go_on(self):
        talk(
            *TO_RESP3,
            client("SUBSCRIBE a"),
            server(push("subscribe", "a", 1), "SUBSCRIBE a"),
            client("CLIENT REPLY OFF", ONEWAY),
            server(push("message", "a", "hello")),
            client("CLIENT REPLY ON"),
            server(push("message", "a", "hello")),
            server(OK, "CLIENT REPLY ON"),
        )

    def test_confirmations_come_in_spite_of_it(self):
        conversation = talk(
            client("CLIENT REPLY OFF", ONEWAY),
            client("SUBSCRIBE a b", ONEWAY),
            server(array("subscribe", "a", 1)),
            server(array("subscribe", "b", 2)),
            server(array("message", "a", "hello")),
            client("CLIENT REPLY ON", ONEWAY),  # refused as long as there are subscriptions, and silently
            client("RESET"),
            server("+RESET", "RESET"),
        )
        assert conversation.idle

    def test_confirmations_come_in_spite_of_it_in_resp3(self):
        conversation = talk(
            *TO_RESP3,
            client("CLIENT REPLY OFF", ONEWAY),
            client("SUBSCRIBE a b", ONEWAY),
            client("CLIENT REPLY ON"),
            server(push("subscribe", "a", 1)),
            server(push("subscribe", "b", 2)),
            server(OK, "CLIENT REPLY ON"),
        )
        assert conversation.pinned == {"subscribe"}

    def test_hello_takes_effect_unseen(self):
        talk(
            client("CLIENT REPLY SKIP", ONEWAY),
            client("HELLO 3", ONEWAY),
            client("GET k"),
            server("$1\r\nx", "GET k", resp=3),
        )

    def test_monitor_takes_effect_unseen(self):
        talk(
            client("CLIENT REPLY SKIP", ONEWAY),
            client("MONITOR", ONEWAY),
            client("PING"),
            server('+1700000000.000001 [0 127.0.0.1:1] "PING"'),
            server(PONG, "PING"),
        )

    @pytest.mark.parametrize("line", ["CLIENT REPLY SKIP", "CLIENT REPLY OFF", "REPLCONF ACK 1"])
    def test_inside_a_transaction_nobody_knows(self, line):
        """EXEC announces a value that never comes, and takes the next response for it."""
        conversation = talk(
            client("MULTI"),
            client(line),
            client("PING"),
            client("EXEC"),
            client("GET k"),
            server(OK, "MULTI"),
            server(QUEUED, line),
            server(QUEUED, "PING"),
            server("*2\r\n+PONG\r\n$1\r\nv", kind=RESPONSE),
        )
        assert not conversation.pending


class TestTransactions:
    def test_plain(self):
        conversation = talk(
            client("WATCH k"),
            client("MULTI"),
            client("SET k v"),
            client("EXEC"),
            client("PING"),
            server(OK, "WATCH k"),
            server(OK, "MULTI"),
            server(QUEUED, "SET k v"),
            server("*1\r\n+OK", "EXEC"),
            server(PONG, "PING"),
        )
        assert conversation.idle

    def test_pinned(self):
        steps = [client("WATCH k"), client("MULTI"), client("GET k"), client("EXEC")]
        pins = [talk(*steps[:count]).pinned for count in range(1, 5)]
        assert pins == [{"watch"}, {"watch", "multi"}, {"watch", "multi"}, set()]
        assert talk(client("WATCH k"), client("UNWATCH")).pinned == set()
        assert talk(client("WATCH k"), client("EXEC")).pinned == {"watch"}  # EXEC without MULTI changes nothing
        assert talk(client("MULTI"), client("DISCARD")).pinned == set()
        assert talk(client("MULTI now")).pinned == set()

    @pytest.mark.parametrize("null", ["*-1", "_"])
    def test_a_watched_key_was_changed(self, null):
        talk(
            client("MULTI"),
            client("SUBSCRIBE a b"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "SUBSCRIBE a b"),
            server(null, "EXEC"),
            server(PONG, "PING"),
        )

    def test_given_up_because_of_an_error(self):
        conversation = talk(
            client("MULTI"),
            client("SUBSCRIBE a b"),
            client("NOPE"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "SUBSCRIBE a b"),
            server("-ERR unknown command", "NOPE"),
            server("-EXECABORT Transaction discarded", "EXEC"),
            server(PONG, "PING"),
        )
        assert conversation.idle

    def test_subscription_to_many_channels(self):
        """One value a command is announced; the rest stand behind the array."""
        conversation = talk(
            client("MULTI"),
            client("SUBSCRIBE c d e"),
            client("PING x"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "SUBSCRIBE c d e"),
            server(QUEUED, "PING x"),
            server(b"*2\r\n" + array("subscribe", "c", 1) + array("subscribe", "d", 2), "EXEC"),
            server(array("subscribe", "e", 3), "EXEC"),
            server(array("pong", "x"), "EXEC"),
            server(array("message", "c", "hello")),
            server(array("pong", ""), "PING"),
        )
        assert conversation.pinned == {"subscribe"}

    def test_subscription_in_resp3(self):
        conversation = talk(
            *TO_RESP3,
            client("MULTI"),
            client("SUBSCRIBE c"),
            client("PING x"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "SUBSCRIBE c"),
            server(QUEUED, "PING x"),
            server(b"*2\r\n" + push("subscribe", "c", 1) + b"$1\r\nx\r\n", "EXEC"),
            server(PONG, "PING"),
        )
        assert conversation.pinned == {"subscribe"}

    def test_a_message_among_the_values(self):
        """Redis 7.0 puts the client's own message inside EXEC's array and counts it."""
        talk(
            *TO_RESP3,
            client("SUBSCRIBE c"),
            server(push("subscribe", "c", 1), "SUBSCRIBE c"),
            client("MULTI"),
            client("PUBLISH c hi"),
            client("PING x"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "PUBLISH c hi"),
            server(QUEUED, "PING x"),
            server(b"*2\r\n" + push("message", "c", "hi") + b":1\r\n", "EXEC"),
            server(push("message", "c", "from another")),
            server("$1\r\nx", "EXEC"),
            server(PONG, "PING"),
        )

    def test_a_message_among_the_values_in_resp2(self):
        talk(
            client("MULTI"),
            client("SUBSCRIBE c"),
            client("PUBLISH c hi"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "SUBSCRIBE c"),
            server(QUEUED, "PUBLISH c hi"),
            server(b"*2\r\n" + array("subscribe", "c", 1) + array("message", "c", "hi"), "EXEC"),
            server(":1", "EXEC"),
            server(array("pong", ""), "PING"),
        )

    def test_messages_behind_the_values(self):
        """Redis 8 keeps pushes back until EXEC is answered."""
        talk(
            *TO_RESP3,
            client("SUBSCRIBE c"),
            server(push("subscribe", "c", 1), "SUBSCRIBE c"),
            client("MULTI"),
            client("PUBLISH c hi"),
            client("EXEC"),
            client("PING"),
            server(OK, "MULTI"),
            server(QUEUED, "PUBLISH c hi"),
            server("*1\r\n:1", "EXEC"),
            server(push("message", "c", "hi")),
            server(PONG, "PING"),
        )

    @pytest.mark.parametrize("joined", [(), ("a",), ("a", "b", "c")])
    def test_leaving_everything(self, joined):
        line = " ".join(("SUBSCRIBE", *joined))
        values = [push("unsubscribe", name, 0) for name in joined] or [push("unsubscribe", None, 0)]
        values.append(b"+PONG\r\n")
        conversation = talk(
            *TO_RESP3,
            *((client(line),) if joined else ()),
            *(server(push("subscribe", name, n), line) for n, name in enumerate(joined, 1)),
            client("MULTI"),
            client("UNSUBSCRIBE"),
            client("PING"),
            client("EXEC"),
            client("PING x"),
            server(OK, "MULTI"),
            server(QUEUED, "UNSUBSCRIBE"),
            server(QUEUED, "PING"),
            server(b"*2\r\n" + values[0] + values[1], "EXEC"),
            *(server(value, "EXEC") for value in values[2:]),
            server("$1\r\nx", "PING x"),
        )
        assert conversation.idle

    def test_an_answer_that_says_queued(self):
        """A script may print anything; the count begins anew with MULTI."""
        talk(
            client("EVAL x 0"),
            client("MULTI"),
            client("HELLO 3"),
            client("EXEC"),
            server(QUEUED, "EVAL x 0"),
            server(OK, "MULTI"),
            server(QUEUED, "HELLO 3"),
            server("*1\r\n-NOPROTO no", "EXEC", resp=2),
            client("GET k"),
            server("$-1", "GET k", resp=2),
        )

    def test_quit(self):
        talk(client("MULTI"), client("QUIT"), server(OK, "MULTI"), server(OK, "QUIT"))


class TestMonitor:
    LINE = '+1700000000.000001 [0 127.0.0.1:1] "PING" "x"'

    def test_lines_between_responses(self):
        conversation = talk(
            client("MONITOR"),
            client("PING x"),
            server(OK, "MONITOR"),
            server(self.LINE),
            server("$1\r\nx", "PING x"),
            server(self.LINE),
        )
        assert conversation.pinned == {"monitor"}

    def test_metadata(self):
        conversation = talk(client("MONITOR"), server(OK, "MONITOR"))
        (line,) = conversation.server.receive_data(self.LINE.encode() + b"\r\n")
        assert line.metadata == {"redis.resp": 2, "redis.push": "monitor"}
        assert line.body == self.LINE[1:]

    def test_reset_ends_it(self):
        conversation = talk(
            client("MONITOR"),
            client("RESET"),
            client("GET k"),
            server(OK, "MONITOR"),
            server(self.LINE),
            server("+RESET", "RESET"),
            server(self.LINE, "GET k"),  # strange, but an answer
        )
        assert conversation.idle

    def test_only_once(self):
        """The second one is passed over, however early it was sent."""
        talk(
            client("MONITOR"),
            client("MONITOR"),
            client("PING"),
            server(OK, "MONITOR"),
            server(PONG, "PING"),
            client("MONITOR", ONEWAY),
            client("PSYNC ? -1"),
            client("PING"),
            server(PONG, "PING"),
        )

    def test_refused(self):
        talk(
            client("MONITOR"),
            client("MONITOR"),
            server("-NOPERM no", "MONITOR"),
            server("-NOPERM no", "MONITOR"),
        )

    def test_queued(self):
        conversation = talk(
            client("MULTI"),
            client("MONITOR"),
            client("EXEC"),
            server(OK, "MULTI"),
            server(QUEUED, "MONITOR"),
            server("*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client", "EXEC"),
        )
        assert conversation.idle

    def test_without_it_lines_are_answers(self):
        talk(client("EVAL x 0"), server(self.LINE, "EVAL x 0"))


class TestLocalReplies:
    def test_in_turn(self):
        conversation = Conversation("redis")
        first, second = conversation.client.receive_data(redis.pack(["GET", "a"]) + redis.pack(["GET", "b"]))
        assert conversation.reply(first, Reason.DENIED) == b"-NOPERM denied\r\n"
        assert conversation.reply(second, Reason.NO_ROUTE) == b"-ERR no route for this request\r\n"
        assert conversation.idle

    def test_one_for_a_subscription_to_many_channels(self):
        conversation = Conversation("redis")
        (request,) = conversation.client.receive_data(redis.pack(["SUBSCRIBE", "a", "b"]))
        assert conversation.reply(request, Reason.DENIED, "no channels here") == b"-NOPERM no channels here\r\n"
        assert conversation.idle

    def test_forgetting_a_request_that_was_to_change_the_framing(self):
        conversation = Conversation("redis")
        (hello,) = conversation.client.receive_data(redis.pack(["HELLO", 3]))
        assert conversation.forget(hello)
        assert conversation.idle
        list(conversation.client.receive_data(redis.pack(["GET", "k"]) * 3))
        replies = list(conversation.server.receive_data(b"$-1\r\n" * 3))
        assert all(reply.request is not None and reply.metadata["redis.resp"] == 2 for reply in replies)


class TestGaps:
    """What is missing may have changed anything; nothing is paired by guess."""

    def test_a_subscription_whose_channels_are_missing(self):
        conversation = Conversation("redis", drop_oldest=True)
        list(conversation.client.receive_data(b"*3\r\n$9\r\nSUBSCRIBE\r\n$4\r\na"))
        assert not list(conversation.client.receive_gap(2))
        (request,) = conversation.client.receive_data(b"d\r\n$1\r\nb\r\n")
        assert request.metadata["method"] == "SUBSCRIBE"
        assert request.missing == 2
        (answer,) = conversation.server.receive_data(array("subscribe", "abcd", 1))
        assert answer.request is None

    def test_an_argument_is_missing(self):
        """How many responses a SET has does not depend on its value."""
        conversation = Conversation("redis")
        list(conversation.client.receive_data(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\nab"))
        assert not list(conversation.client.receive_gap(6))
        (request,) = conversation.client.receive_data(b"yz\r\n")
        assert request.missing == 6
        assert request.metadata["keys"] == ("k",)
        (answer,) = conversation.server.receive_data(b"+OK\r\n")
        assert answer.request is request

    @pytest.mark.parametrize("line", ["EXEC", "HELLO 3", "PSYNC ? -1", "SUBSCRIBE a"])
    def test_the_answer_that_matters_is_damaged(self, line):
        conversation = Conversation("redis")
        list(conversation.client.receive_data(redis.pack(line.split(" "))))
        list(conversation.server.receive_data(b"*2\r\n$9\r\nsu"))
        list(conversation.server.receive_gap(5))
        (answer,) = conversation.server.receive_data(b"be\r\n:1\r\n")
        assert answer.missing == 5
        assert answer.request is None

    def test_after_a_gap_in_the_server_s_direction(self):
        conversation = Conversation("redis")
        list(conversation.client.receive_data(redis.pack(["GET", "a"]) + redis.pack(["GET", "b"])))
        list(conversation.server.receive_gap(None))
        (answer,) = conversation.server.receive_data(b"\r\n$1\r\nb\r\n")
        assert answer.request is None


def test_the_kind_of_a_request_is_told_before_it_is_delivered():
    (message,) = Conversation("redis").client.receive_data(redis.pack(["CLIENT", "REPLY", "OFF"]))
    assert message.kind is ONEWAY
    assert message.side is CLIENT
