"""The broker of the tests is a real one: it keeps what it has acknowledged through kills, and leaves nothing behind."""

import signal
import subprocess
import sys
from contextlib import closing

import pytest

from tests.house import ROOT
from tests.kafka.broker import cluster, free_ports


@pytest.mark.usefixtures("java")
def test_what_was_acknowledged_survives_a_kill() -> None:
    """A record that a broker has acknowledged is there after SIGKILL and a start on the same data."""
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

    with cluster() as own:
        address = own.bootstrap_servers
        with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
            admin.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        with closing(KafkaProducer(bootstrap_servers=address)) as producer:
            producer.send("kept", b"said", partition=0).get(30)
        own.brokers[0].kill()
        assert not own.brokers[0].running
        own.start()
        with closing(KafkaConsumer(bootstrap_servers=address)) as consumer:
            place = TopicPartition("kept", 0)
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            polled = consumer.poll(timeout_ms=10_000)
        folder, process = own.brokers[0].folder, own.brokers[0].process
    assert [record.value for record in polled[place]] == [b"said"]
    assert not folder.exists()
    assert process is not None
    assert process.poll() is not None


@pytest.mark.usefixtures("java")
def test_a_broker_in_the_foreground_ends_with_ctrl_c() -> None:
    """`python -m tests.kafka.broker` prints its address and, after Ctrl-C, ends with 130 and without a word."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "tests.kafka.broker", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None and foreground.stderr is not None
        said = foreground.stdout.readline()
        foreground.send_signal(signal.SIGINT)
        try:
            code = foreground.wait(60)
        finally:
            foreground.kill()
        errors = foreground.stderr.read()
    assert said == f"Apache Kafka on 127.0.0.1:{port}; Ctrl-C ends it\n"
    assert (code, errors) == (130, "")
