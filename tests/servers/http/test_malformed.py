"""What is no HTTP: refused as a problem, told once in a while, and no word of it in the log."""

import asyncio
import logging

import msgspec
import pytest

from tests.feeds.builders import a_log, an_incident
from tests.servers.http.talking import Talk, talking
from tests.servers.serving import run

HOST = b"Host: localhost\r\n"
SECRET = b"hush-hush"
MALFORMED = [
    b"GET /v1/incidents HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + SECRET + b"\x01\r\n\r\n",
    b"GET /v1/incidents?type=" + SECRET + b"\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /v1/incidents HTTP/1.1\r\n" + HOST + b"Cookie: " + SECRET * 3_000 + b"\r\n\r\n",
    b"GET http://[" + SECRET + b"/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nZZ" + SECRET + b"\r\n",
    SECRET + b"\r\n\r\n",
]
UNREADABLE = (
    b"GET /v1/incidents/a HTTP/1.1\r\n" + HOST + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + SECRET
)


async def said(talk: Talk, sent: bytes) -> bytes:
    """The answer to these bytes, up to the end of the connection."""
    host, _, port = talk.server.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    return answer


def test_malformed_requests_are_refused_as_problems_and_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred of them, with secrets in header, query, cookie and body: one line, and a word of none of them."""

    async def test() -> None:
        async with talking(a_log([an_incident("a")])) as talk:
            for number in range(102):
                head, _, body = (await said(talk, MALFORMED[number % len(MALFORMED)])).partition(b"\r\n\r\n")
                assert b" 400 " in head.splitlines()[0]
                assert b"Content-Type: application/problem+json" in head
                problem = msgspec.json.decode(body)
                assert (problem["status"], problem["reason"]) == (400, "HTTP")
                assert problem["message"] == "request: wanted HTTP/1.1, got what cannot be read as such"
                assert SECRET not in body
            assert (await said(talk, UNREADABLE)).startswith(b"HTTP/1.1 200")

    with caplog.at_level(logging.INFO):
        run(test)
    assert [record.getMessage() for record in caplog.records] == [
        "refused (malformed): HTTP from 127.0.0.1, BadHttpMessage",
        "http: the connection ended by RequestPayloadError",
    ]
    assert not [record for record in caplog.records if record.exc_info]


def test_a_watch_whose_reader_says_no_more_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """One that closes its side with the request, or soon after it, has gone; nobody is told."""

    async def test() -> None:
        async with talking(a_log([an_incident("a")])) as talk:
            host, _, port = talk.server.address.rpartition(":")
            for wait_s in (0.0, 0.0, 0.0, 0.001, 0.01, 0.1):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"GET /v1/incidents:watch HTTP/1.1\r\n" + HOST + b"\r\n")
                await asyncio.sleep(wait_s)
                writer.write_eof()
                await reader.read()
                writer.close()
            while talk.feed.watchers:
                await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO):
        run(test)
    assert caplog.records == []
