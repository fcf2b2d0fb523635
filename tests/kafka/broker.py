"""A real Apache Kafka for tests: one or three KRaft brokers on loopback, with their data in a temporary folder.

`python -m tests.kafka.broker` runs one in the foreground until Ctrl-C; that is what `make kafka` calls.
"""

import argparse
import base64
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kafka.jars import jars, missing

START_S = 60.0
"""A broker is up in 2 s on an idle machine; on a crowded one it may take its time."""
STOP_S = 30.0
LOOK_S = 0.1
PORTS = range(20_000, 30_000)
"""Below those that the system hands to outgoing connections: a port is still free when a broker comes back to it."""
FAST_JVM = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxDirectMemorySize=1g")
"""Starts in 1.4 s instead of 2.3 s, in 0.3 GB. Compacting snapshots takes 64 MiB buffers beside the heap: with as much
room as the heap has, a broker ran out of it under load, and answered a snapshot with an error of its own.
"""
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
MESSAGE_BYTES_MAX = 17 << 20
"""The largest envelope and the batch around it."""
LOOPBACK = "127.0.0.1"


@dataclass
class Broker:
    """One broker and controller: a Java process over a folder, which can die and come back."""

    node: int
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def accepts(self) -> bool:
        """Whether its port is open: it is, once its logs have been recovered."""
        return _accepts(self.port)

    def format(self, cluster_id: str) -> None:
        """Prepares the empty data folder."""
        done = subprocess.run(
            [*_java(), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self.folder / "properties")],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"broker {self.node}: wanted a formatted folder, got: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Starts the process on whatever its folder holds; `Cluster.wait` tells when it answers."""
        # Where whoever started it is killed, the broker goes too.
        leash = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [*leash, *_java(), "kafka.Kafka", str(self.folder / "properties")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Ends it as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it as an operator would: SIGTERM, and time to close its logs."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def said(self) -> str:
        """What its process has printed."""
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")


@dataclass
class Cluster:
    """Brokers that know each other."""

    brokers: list[Broker] = field(default_factory=list)

    @property
    def bootstrap_servers(self) -> str:
        """All addresses, as clients take them."""
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        """Starts every broker that does not run, and waits until all answer."""
        for broker in self.brokers:
            if not broker.running:
                broker.start()
        self.wait()

    def wait(self) -> None:
        """Waits until every running broker accepts clients and the cluster counts it among the living."""
        deadline = time.monotonic() + START_S
        alive = [broker for broker in self.brokers if broker.running]
        for broker in alive:
            while not broker.accepts():
                if not broker.running or time.monotonic() > deadline:
                    raise RuntimeError(f"broker {broker.node}: wanted an open port, got: {broker.said()!r}")
                time.sleep(0.05)
        while self._members(alive[0]) < len(alive):
            if time.monotonic() > deadline:
                raise RuntimeError(f"cluster: wanted {len(alive)} members, got {self._members(alive[0])}")
            time.sleep(0.1)

    def _members(self, asked: Broker) -> int:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            with closing(KafkaAdminClient(bootstrap_servers=asked.address, bootstrap_timeout_ms=3000)) as admin:
                return len(admin.describe_cluster()["brokers"])
        except KafkaError:
            return 0


@contextmanager
def cluster(
    brokers: int = 1, *, port: int = 0, folder: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Starts so many brokers, one or three, and ends them at the end; their data go too unless a `folder` is given.

    `settings` are lines of server.properties that add to ours or replace them; `{ours}` in one stands for what we had.
    """
    home = folder or Path(tempfile.mkdtemp(prefix="city-brain-kafka-"))
    ports = free_ports(2 * brokers)
    members = [Broker(node, ports[2 * node - 2], home / str(node)) for node in range(1, brokers + 1)]
    if port:
        members[0].port = port
    voters = ",".join(f"{broker.node}@{LOOPBACK}:{ports[2 * broker.node - 1]}" for broker in members)
    cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A")
    started = Cluster(members)
    try:
        for broker in members:
            fresh = not (broker.folder / "data").exists()
            broker.folder.mkdir(parents=True, exist_ok=True)
            told = _properties(broker, voters, ports[2 * broker.node - 1], brokers)
            for name, value in (settings or {}).items():
                told[name] = value.replace("{ours}", told.get(name, ""))
            lines = [f"{name}={value}\n" for name, value in told.items()]
            (broker.folder / "properties").write_text("".join(lines), encoding="utf-8")
            if fresh:
                broker.format(cluster_id)
        started.start()
        yield started
    finally:
        for broker in members:
            broker.stop() if folder else broker.kill()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """So many ports of loopback that nobody listens on, in no order."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if _binds(port):
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"loopback: wanted {count} free ports in {PORTS}, got {len(found)}")


def _binds(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _java() -> list[str]:
    return ["java", *FAST_JVM, *LOGGING, "-cp", f"{jars()}/*"]


def _properties(broker: Broker, voters: str, controller_port: int, brokers: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": str(broker.node),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker.port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "log.dirs": str(broker.folder / "data"),
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(brokers),
        "min.insync.replicas": "2" if brokers > 1 else "1",
        "message.max.bytes": str(MESSAGE_BYTES_MAX),
        "replica.fetch.max.bytes": str(MESSAGE_BYTES_MAX),
        "offsets.topic.num.partitions": "6",
        "offsets.topic.replication.factor": str(brokers),
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": str(brokers),
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def main() -> int:
    """Runs one broker until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.broker", description="Run one Apache Kafka broker.")
    parser.add_argument("--port", type=int, default=9092, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--data", type=Path, help="where its data stay; without it they go when it stops")
    asked = parser.parse_args()
    if missing():
        print(f"kafka: wanted java and mvn, got no {' and no '.join(missing())}", file=sys.stderr)
        return 1
    if asked.port and not _binds(asked.port):
        print(f"kafka: wanted port {asked.port} of {LOOPBACK} free, got it taken; choose with --port", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with cluster(port=asked.port, folder=asked.data and asked.data.resolve()) as running:
            print(f"Apache Kafka on {running.bootstrap_servers}; Ctrl-C ends it", flush=True)
            # Python would not hear of a signal that comes just before it begins to wait for a process.
            while running.brokers[0].running:
                time.sleep(LOOK_S)
            print("kafka: wanted it to stay, but it ended", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
