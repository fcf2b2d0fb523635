"""What publishers may send, and how much of it waits for the street."""

from typing import Annotated

import msgspec

from city_brain.servers.settings import Count, Seconds


class PublishSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of live input. Memory: `queue_bytes` and what as many requests weigh as there are publishers, once as they
    came and some three times as columns; and 8 bytes × `remembered_rows`.
    """

    publishers: Count = 100
    """Streams of Publish, and requests over HTTP, at a time; one more is refused with TOO_MANY_STREAMS (429)."""
    request_rows: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 1 << 16
    """Lines or rows in a request; one with more is refused with TOO_LARGE (413) and nothing of it is taken."""
    body_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 30)] = 8 << 20
    """Size of a request over HTTP; a larger one is refused with 413. That of gRPC is `receive_bytes` of the limits."""
    body_wait_s: Seconds = 30.0
    """Time for a body to come; then 408."""
    queue_bytes: Count = 32 << 20
    """Requests that wait for the street, as they came. Beyond, a stream is held up by flow control, and HTTP waits."""
    queue_wait_s: Seconds = 5.0
    """How long a request over HTTP waits for room in the queue; then QUEUE_FULL (429, with Retry-After)."""
    remembered_s: Seconds = 1_800.0
    """For how long a row is known that comes again, beyond twice the ten minutes that a clock may be off; at most
    twice as long."""
    remembered_rows: Annotated[int, msgspec.Meta(ge=1 << 17)] = 4_000_000
    """So many rows are remembered at most; where more come within `remembered_s`, the oldest half is forgotten."""
