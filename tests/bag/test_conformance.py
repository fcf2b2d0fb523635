"""The official package as the judge: it reads every good file of ours, and we read what it writes, or say why not."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.data_stream import ReadDataStream
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Channel, Chunk, ChunkIndex, Footer, Message, MessageIndex
from mcap.stream_reader import StreamReader, get_chunk_data_stream
from mcap.writer import CompressionType, IndexType, Writer

from city_brain.bag.blocks import gather, read_block
from city_brain.bag.reading import Recording
from city_brain.bag.records import BLOCK_SUFFIX, CONTROL, GAPS, MARKS, Record
from city_brain.bag.recovering import examine, recover
from city_brain.bag.writing import WriterSettings
from city_brain.errors import RecordingError
from tests.bag.samples import fresh, full_file, records, rising, write


def told_by_mcap(path: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Topic, sequence, log and publish time and data of every message, in order of log time, all checksums checked."""
    with path.open("rb") as file:
        found = list(StreamReader(file, validate_crcs=True).records)
        assert isinstance(found[-1], Footer)
        streamed = [record for record in found if isinstance(record, Message)]
        channels = {record.id: record for record in found if isinstance(record, Channel)}
        file.seek(0)
        sought = list(make_reader(file, validate_crcs=True).iter_messages())
    assert [message for _, _, message in sought] == streamed
    return [
        (channels[message.channel_id].topic, message.sequence, message.log_time, message.publish_time, message.data)
        for message in streamed
    ]


def expected(record: Record) -> tuple[str, int, int, int, bytes]:
    """What of a record a reader of MCAP sees."""
    held = 0 <= record.timestamp_ms * 1_000_000 < 1 << 64
    publish_ns = record.timestamp_ms * 1_000_000 if held else 0
    return record.topic, record.offset & 0xFFFFFFFF, record.log_ns, publish_ns, record.value or b""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(records, max_size=30))
def test_any_file_of_ours_is_read_by_others(tmp_path: Path, found: list[Record]) -> None:
    """Every value under its topic, in order of arrival, by the streaming and by the seeking reader."""
    path = fresh(tmp_path) / "a.mcap"
    write(path, found, WriterSettings(chunk_bytes=1024, segment_bytes=1 << 40, segment_s=86_400))
    told = rising(found)
    seen = [message for segment in sorted(tmp_path.iterdir(), key=_number) for message in told_by_mcap(segment)]
    assert [message for message in seen if BLOCK_SUFFIX not in message[0]] == [expected(record) for record in told]


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[2] or 1)


def test_all_that_is_in_a_file_is_read_by_others(tmp_path: Path) -> None:
    """Metadata, attachments, schemas, notes, statistics and the chunk index."""
    path = tmp_path / "night.mcap"
    told = full_file(path)
    seen = told_by_mcap(path)
    values = [message for message in seen if BLOCK_SUFFIX not in message[0] and not message[0].startswith("_cb/")]
    assert values == [expected(record) for record in told]
    assert [topic for topic, *_ in seen if topic.startswith("_cb/")] == [CONTROL, GAPS, MARKS]
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "citybrain"
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert [metadata.name for metadata in reader.iter_metadata()] == ["cb.recording", "provenance", "cb.segment"]
        attachments = {attachment.name: attachment for attachment in reader.iter_attachments()}
        assert set(attachments) == {"map/city.geojson", "cb.offsets"}
        assert attachments["map/city.geojson"].media_type == "application/geo+json"
        assert [schema.name for schema in summary.schemas.values()] == ["city.Seen"]
        counts = summary.statistics
        assert counts.message_count == len(seen) == sum(counts.channel_message_counts.values())
        assert counts.chunk_count == len(summary.chunk_indexes)
        assert (counts.attachment_count, counts.metadata_count, counts.schema_count) == (2, 3, 1)
        assert counts.channel_count == len(summary.channels)
        assert (counts.message_start_time, counts.message_end_time) == (told[0].log_ns, told[-1].log_ns)
        part = reader.iter_messages(topics="reports", starting_at=told[100].log_ns, ending_before=told[200].log_ns)
        wanted = [record for record in told[100:200] if record.topic == "reports"]
        assert [message.data for _, _, message in part] == [record.value or b"" for record in wanted]


def test_message_indexes_lead_to_messages(tmp_path: Path) -> None:
    """A reader that seeks by them, as viewers do, finds the message of each time."""
    path = tmp_path / "night.mcap"
    full_file(path)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
        assert summary is not None
        for index in summary.chunk_indexes:
            check_index(file, index)


def check_index(file: Any, index: ChunkIndex) -> None:
    """Every entry of the message indexes of a chunk names a message of its channel and time."""
    file.seek(index.chunk_start_offset + 9)
    chunk = Chunk.read(ReadDataStream(file))
    stream, length = get_chunk_data_stream(chunk, validate_crc=True)
    data = stream.read(length)
    assert index.uncompressed_size == length
    seen = 0
    for channel, at in index.message_index_offsets.items():
        file.seek(at + 9)
        entries = MessageIndex.read(ReadDataStream(file))
        assert entries.channel_id == channel
        for log_ns, place in entries.records:
            stream = ReadDataStream(BytesIO(data[place + 9 :]))
            message = Message.read(stream, int.from_bytes(data[place + 1 : place + 9], "little"))
            assert data[place] == 5 and (message.channel_id, message.log_time) == (channel, log_ns)
            seen += 1
    assert seen


def by_mcap(**options: Any) -> bytes:
    """A file of the official package: three topics, a hundred messages, metadata and an attachment."""
    file = BytesIO()
    writer = Writer(file, **options)
    writer.start("ros2", "test")
    schema = writer.register_schema("city.Seen", "jsonschema", b"{}")
    channels = [writer.register_channel(f"/topic{number}", "json", schema if number else 0) for number in range(3)]
    writer.add_metadata("who", {"am": "I"})
    for number in range(100):
        writer.add_message(channels[number % 3], 1000 + number // 2, b"%d" % number * number, 900 + number, number)
    writer.add_attachment(5, 6, "map.json", "application/json", b"{}")
    writer.finish()
    return file.getvalue()


OPTIONS: dict[str, dict[str, Any]] = {
    "zstd": {"compression": CompressionType.ZSTD},
    "zstd, small chunks": {"compression": CompressionType.ZSTD, "chunk_size": 500},
    "not packed": {"compression": CompressionType.NONE, "chunk_size": 500},
    "without chunks": {"use_chunking": False},
    "without indexes": {"index_types": IndexType.NONE, "chunk_size": 500},
    "without a summary": {
        "index_types": IndexType.NONE, "repeat_channels": False, "repeat_schemas": False, "use_statistics": False,
        "use_summary_offsets": False, "chunk_size": 500,
    },
    "without checksums": {"enable_crcs": False, "chunk_size": 500},
    "with a checksum of the data": {"enable_data_crcs": True, "chunk_size": 500},
}  # fmt: skip


@pytest.mark.parametrize("how", OPTIONS)
def test_files_of_others_are_walked(tmp_path: Path, how: str) -> None:
    """The same messages, in the order of the file, as their own reader says; records they do not have."""
    path = tmp_path / "other.mcap"
    path.write_bytes(by_mcap(**OPTIONS[how]))
    with path.open("rb") as file:
        wanted = [record for record in StreamReader(file).records if isinstance(record, Message)]
    with Recording(path) as recording:
        assert (recording.cut, recording.profile) == ("", "ros2")
        walked = []
        for chunk in recording.chunks():
            for head, begin, end in zip(chunk.heads.tolist(), chunk.start.tolist(), chunk.end.tolist(), strict=True):
                _, _, channel, sequence, log_ns, publish_ns = head
                walked.append(Message(channel, log_ns, chunk.data[begin:end], publish_ns, sequence))
        assert walked == wanted
        if how != "without a summary" and how != "without indexes":
            assert recording.attachment("map.json").data == b"{}"
            assert recording.metadata == {"who": {"am": "I"}}
        with pytest.raises(RecordingError, match="wanted a recording of ours, got one of profile 'ros2'"):
            list(recording.records())
    assert examine(path).trouble == []


def test_lz4_is_refused_in_so_many_words(tmp_path: Path) -> None:
    path = tmp_path / "other.mcap"
    path.write_bytes(by_mcap(compression=CompressionType.LZ4))
    with Recording(path) as recording, pytest.raises(RecordingError, match="by zstd or not at all, got 'lz4'"):
        list(recording.chunks())


def test_our_blocks_are_as_the_format_says(tmp_path: Path) -> None:
    """Found by the official reader and read by hand, a block gives keys and headers of its records."""
    path = tmp_path / "night.mcap"
    told = full_file(path, 60)
    by_topic: dict[str, list[Record]] = {}
    with path.open("rb") as file:
        for _, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            if channel.topic.endswith(BLOCK_SUFFIX):
                assert channel.message_encoding == "citybrain.block.v1"
                block = read_block(message.data, 0, len(message.data), 1 << 16, "here")
                rows = int.from_bytes(message.data[4:8], "little")
                assert message.data[0] == 1 and rows == block.rows
                pending = by_topic.setdefault(channel.topic, [])
                lists, gathered = block.headers.lists(), gather([block], "here")
                for row in range(rows):
                    length = int(gathered.key_length[row])
                    key = message.data[int(gathered.key_at[row]) :][:length] if length >= 0 else None
                    pending.append(
                        (int(gathered.offset[row]), int(gathered.partition[row]), key, lists[int(gathered.code[row])])
                    )
    for topic in ("reports", "signal.states", "video.detections"):
        wanted = [(r.offset, r.partition, r.key, r.headers) for r in told if r.topic == topic]
        assert by_topic[topic + BLOCK_SUFFIX] == wanted


@pytest.mark.parametrize("reader", [make_reader, lambda file, validate_crcs: NonSeekingReader(file, validate_crcs)])
def test_a_mended_file_is_a_good_file(tmp_path: Path, reader: Callable[..., Any]) -> None:
    """What recover writes of a file whose first chunk is damaged, others read."""
    path, mended = tmp_path / "night.mcap", tmp_path / "mended.mcap"
    full_file(path)
    with Recording(path) as recording:
        entry = recording.entries[0]
    data = bytearray(path.read_bytes())
    data[entry.at + 60] ^= 1
    path.write_bytes(data)
    assert recover(path, mended).damages == 1
    with mended.open("rb") as file:
        seen = [
            (schema.name if schema else "", channel.topic)
            for schema, channel, _ in reader(file, validate_crcs=True).iter_messages()
        ]
    assert len(told_by_mcap(mended)) == len(seen)
    assert ("city.Seen", "video.detections") in seen
