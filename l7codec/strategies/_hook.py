"""What hypothesis calls when it is imported, named by an entry point of its own.

Imports nothing of hypothesis before that: whichever of the two is imported first imports the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UnknownProtocol
from ..message import Message
from ..registry import protocol_names

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def _hypothesis_setup_hook() -> None:
    """Have `st.from_type(Message)` give messages of any protocol that has strategies."""
    from hypothesis import strategies as st

    st.register_type_strategy(Message, st.deferred(_any_message))


def _any_message() -> SearchStrategy[Message]:
    from hypothesis import strategies as st

    from . import messages

    known = []
    for protocol in protocol_names():
        try:
            known.append(messages(protocol))
        except UnknownProtocol:  # a codec that somebody registered without strategies
            continue
    return st.one_of(known)
