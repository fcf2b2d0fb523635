"""The programs on a broker behind TLS that asks for a password: they say the same, and never the password."""

from pathlib import Path

import pytest

from city_brain.kafka.topics import INCIDENTS
from city_brain.site import Site
from tests.distributed import kit
from tests.kafka.secured import PASSWORD, secured_broker
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import read_all, write_raw
from tests.kafka.streams.replayed import PARTITIONS, replayed_city

PROGRAMS = ("ingest", "fuse", "desk")


@pytest.mark.slow
@pytest.mark.campaign
def test_behind_tls_and_a_password_they_say_the_same(java: None, prefix: str, tmp_path: Path) -> None:
    """SASL_SSL with SCRAM through Faust, its snapshots' clients and the watchdog's; a wrong password ends a program."""
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    with secured_broker(tmp_path) as secured:
        lines = (
            "[kafka.tls]", f'ca_file = "{secured.ca_file}"',
            "[kafka.sasl]", 'mechanism = "SCRAM-SHA-512"', 'username = "city"', f'password_file = "{secret}"',
        )  # fmt: skip
        with replayed_city(tmp_path, secured.password, prefix, *lines) as fleet:
            settings = kafka_settings(fleet.site)
            wanted = kit.oracle(PARTITIONS, Site.open(fleet.site).desk_settings)
            for program in PROGRAMS:
                fleet.start(program)
            write_raw(settings, kit.raw_logs(), fleet.check)
            said = read_all(settings, INCIDENTS, lambda found: len(found) >= len(wanted), fleet)
            assert list(dict.fromkeys(record.value for record in said)) == wanted
            assert {fleet.stop(f"{program}-0") for program in PROGRAMS} == {0}
            secret.write_text("swordfish\n", encoding="utf-8")
            fleet.start("fuse", "1")
            assert fleet.processes.pop("fuse-1").wait(60.0) != 0
            for log in tmp_path.glob("*.log"):
                told = log.read_text(encoding="utf-8")
                assert PASSWORD not in told and "swordfish" not in told
