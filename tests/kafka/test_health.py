"""Metrics and health over HTTP: what is told, to whom, and what makes a program count as alive and ready."""

import time
import urllib.error
import urllib.request

import msgspec
import pytest

from city_brain.errors import SettingsError
from city_brain.kafka.settings import WorkerSettings
from streams.health import Health, serve_health
from streams.metrics import Metrics


def _get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10.0) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as wrong:
        with wrong:
            return wrong.code, wrong.read().decode()


def test_a_program_is_ready_once_it_has_partitions_and_while_it_takes() -> None:
    """Before, and after too long a silence, it is not; one that stands by without a partition is."""
    health = Health(stalled_after_s=0.2)
    address = serve_health(WorkerSettings(metrics_address="127.0.0.1:0"), Metrics("fuse").registry, health)
    assert _get(address, "/healthz") == (200, "ok\n")
    assert _get(address, "/readyz") == (503, "waits for the brokers to give it partitions\n")
    health.ready()
    assert _get(address, "/readyz") == (200, "ok\n")
    time.sleep(0.3)
    code, why = _get(address, "/readyz")
    assert code == 503 and why.startswith("wanted records within 0.2 s, got none for 0 s")
    health.progressed()
    assert _get(address, "/readyz")[0] == 200
    health.ready(idle=True)
    time.sleep(0.3)
    assert _get(address, "/readyz")[0] == 200
    assert _get(address, "/healthz?verbose")[0] == 200
    assert _get(address, "/secret")[0] == 404


def test_figures_are_told_as_prometheus_reads_them() -> None:
    """Rows by where they ended, ticks, lag, snapshots; figures of a partition that went elsewhere are gone."""
    metrics = Metrics("fuse")
    address = serve_health(WorkerSettings(metrics_address="[::1]:0"), metrics.registry, Health(1.0))
    metrics.took("observations", 1)
    metrics.closed(1, 1000 * (int(time.time()) - 5), 0.004)
    metrics.rows(1, {"read": 9, "used": 5, "late": 2, "duplicate": 1, "quarantined.speed": 2, "held": 1})
    metrics.saved(1, 4096)
    metrics.lag({("observations", 1): 7})
    told = _get(address, "/metrics")[1]
    for line in (
        'city_brain_records_read_total{partition="1",program="fuse",topic="observations"} 1.0',
        'city_brain_ticks_closed_total{partition="1",program="fuse"} 1.0',
        'city_brain_tick_seconds_bucket{le="0.005",program="fuse"} 1.0',
        'city_brain_rows_read_total{partition="1",program="fuse"} 9.0',
        'city_brain_rows_late_total{partition="1",program="fuse"} 2.0',
        'city_brain_rows_held{partition="1",program="fuse"} 1.0',
        'city_brain_rows_total{end="quarantined",partition="1",program="fuse",reason="speed"} 2.0',
        'city_brain_snapshot_bytes{partition="1",program="fuse"} 4096.0',
        'city_brain_lag_records{partition="1",program="fuse",topic="observations"} 7.0',
        'city_brain_rebalances_total{program="fuse"} 0.0',
    ):
        assert line in told
    behind = next(line for line in told.splitlines() if line.startswith("city_brain_log_behind_seconds{"))
    assert 4.5 < float(behind.split()[-1]) < 20.0
    metrics.only({2})
    assert "city_brain_rows_read_total{" not in _get(address, "/metrics")[1]


def test_nobody_else_is_told_unless_that_is_asked_for_by_name() -> None:
    """It is off by default; an address of other machines is refused unless allowed; a taken port is an error."""
    assert serve_health(WorkerSettings(), Metrics("fuse").registry, Health(1.0)) == ""
    for address, why in (("0.0.0.0:9100", "insecure_metrics = true"), ("9100", "wanted host:port")):
        with pytest.raises(msgspec.ValidationError, match=why):
            msgspec.convert({"metrics_address": address}, WorkerSettings)
    allowed = msgspec.convert({"metrics_address": "0.0.0.0:9100", "insecure_metrics": True}, WorkerSettings)
    assert allowed.metrics_address == "0.0.0.0:9100"
    taken = serve_health(WorkerSettings(metrics_address="127.0.0.1:0"), Metrics("fuse").registry, Health(1.0))
    with pytest.raises(SettingsError, match="wanted a free port"):
        serve_health(WorkerSettings(metrics_address=taken), Metrics("fuse").registry, Health(1.0))
