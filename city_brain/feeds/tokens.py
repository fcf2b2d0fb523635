"""Resume tokens: where a reader was, signed, so that it can come back to it with nothing but the token.

A token is bound to its feed, its reader, what that reader may see and what it asked for. Whoever changes one of these
must begin with a snapshot, since what lies behind the number then means something else.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec

from city_brain.feeds.filters import Wanted
from city_brain.feeds.refusals import Reason, RefusedError

_FORM = 1
"""Version of the form; others are refused as if they were forged."""
_SEAL_BYTES = 16
"""Of HMAC-SHA-256, cut as RFC 2104 section 5 allows."""
_LONGEST = 1024
"""Characters of a token that is looked at."""
FIELD = "resume_token"
_BLOCK_BYTES = 64
"""Of SHA-256, to which HMAC fills up its key (RFC 2104 section 2)."""
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is bound to."""

    feed_id: str
    reader: str
    """Who reads: the name of a department, or of whoever else is let in."""
    wanted: bytes
    """Digest of the reader's filter."""
    scope: bytes
    """Digest of what the reader may see."""

    @classmethod
    def of(cls, feed_id: str, reader: str, wanted: Wanted, scope: Wanted) -> "Binding":
        """The binding of one watch."""
        return cls(feed_id=feed_id, reader=reader, wanted=filter_digest(wanted), scope=filter_digest(scope))


class _Token(msgspec.Struct, frozen=True, array_like=True):
    form: int
    feed_id: str
    reader: str
    wanted: bytes
    scope: bytes
    number: int


class Tokens:
    """Writes and reads the tokens of one key (32 bytes, kept as long as its tokens shall be good)."""

    def __init__(self, key: bytes) -> None:
        # Each message of each reader has a token. HMAC begins with the key every time anew; done once here,
        # that leaves an eighth of its cost.
        short = key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()
        block = short.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER_PAD))
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))

    def write(self, binding: Binding, number: int) -> str:
        """The token of a reader that has been told everything up to `number`."""
        token = _Token(_FORM, binding.feed_id, binding.reader, binding.wanted, binding.scope, number)
        body = _encoder.encode(token)
        return base64.urlsafe_b64encode(self._seal(body) + body).decode()

    def read(self, text: str, binding: Binding) -> int:
        """The number in a token; raises RefusedError where it is none of ours, or bound to something else.

        A token of another reader is refused as a forged one is: nothing of what it holds is told.
        """
        token = self._open(text)
        if token is None or token.form != _FORM or token.reader != binding.reader:
            message = f"{FIELD}: wanted one that this feed gave to this reader, got something else"
            raise RefusedError(Reason.BAD_TOKEN, message, FIELD)
        again = "start again from a snapshot"
        if token.feed_id != binding.feed_id:
            message = f"{FIELD}: wanted one of feed {binding.feed_id}, got one of feed {token.feed_id}; {again}"
            raise RefusedError(Reason.OTHER_FEED, message, FIELD, feed_id=binding.feed_id)
        if token.scope != binding.scope:
            message = f"{FIELD}: what this reader may see has changed since; {again}"
            raise RefusedError(Reason.SCOPE_CHANGED, message, FIELD)
        if token.wanted != binding.wanted:
            message = f"{FIELD}: wanted the filter that the token was made for, got another one; {again}"
            raise RefusedError(Reason.FILTER_CHANGED, message, FIELD)
        return token.number

    def _open(self, text: str) -> _Token | None:
        if len(text) > _LONGEST:
            return None
        try:
            sealed = base64.b64decode(text.encode("ascii"), b"-_", validate=True)
            body = sealed[_SEAL_BYTES:]
            if not hmac.compare_digest(self._seal(body), sealed[:_SEAL_BYTES]):
                return None
            return msgspec.msgpack.decode(body, type=_Token)
        except (binascii.Error, UnicodeEncodeError, msgspec.MsgspecError, ValueError):
            return None

    def _seal(self, body: bytes) -> bytes:
        """HMAC-SHA-256, cut."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()[:_SEAL_BYTES]


def filter_digest(wanted: Wanted) -> bytes:
    """Eight bytes that stand for a filter."""
    return hashlib.blake2b(_encoder.encode(wanted), digest_size=8).digest()


_encoder = msgspec.msgpack.Encoder()
