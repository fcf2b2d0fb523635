"""Settings of a province's folder, and of a city that reports to one.

A province's folder holds `province.toml`:

    code = "370000"
    name = "Shandong"
    cities = {370100 = "Jinan", 370200 = "Qingdao"}
    history_days = 30
    store = "province.sqlite"        # or sqlite:///file, postgresql+psycopg://host/database

    [feed]                           # where to listen, as [feed] of a site
    address = "0.0.0.0:50560"

    [limits]                         # as [limits] of a site

Paths in it begin at the folder, those of a site at the site's. Like a site it may have incident types of its own, in
`incident-types`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from city_brain.errors import SettingsError
from city_brain.servers.paths import placed
from city_brain.servers.settings import FilePath, Limits, ListenSettings
from city_brain.wording.toml import settings_from

if TYPE_CHECKING:
    from city_brain.servers.client.feed_reader import Endpoint

PROVINCE_FILE = "province.toml"
PORT = "127.0.0.1:50560"
"""Where a province listens unless it is told otherwise."""
HISTORY_DAYS_MIN = 2.0
"""An incident that is over may come back for up to a day (the longest `join_gap_s`); it must still be known."""

Code = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{1,32}$")]


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The province that a city reports to; `[province]` in site.toml. Without an address it reports to none."""

    address: str = ""
    """`host:port` of the province."""
    city_code: str = ""
    """Code of this city there, as its certificate names it."""
    name: str = ""
    """Name of this city for people; empty: that of the site."""
    tls: bool = False
    """Whether to speak TLS; files imply it."""
    tls_ca: FilePath = ""
    """File with the certificates to trust, PEM."""
    tls_certificate: FilePath = ""
    """File with the certificate of this city and its chain, PEM."""
    tls_key: FilePath = ""
    """File with its private key, PEM."""

    def __post_init__(self) -> None:
        if self.address and not self.city_code:
            raise SettingsError("province.city_code: wanted the code of this city, such as 370100, got none")

    def endpoint(self) -> "Endpoint":
        """Where and how to call."""
        from city_brain.servers.client.feed_reader import Endpoint

        return Endpoint(self.address, self.tls, self.tls_ca, self.tls_certificate, self.tls_key)


class ProvinceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a province."""

    code: Code
    """Code of the province (for China GB/T 2260, such as `370000`)."""
    name: str = ""
    """Name for people."""
    cities: dict[Code, str]
    """Its cities: code and name. Others are turned away."""
    history_days: Annotated[float, msgspec.Meta(ge=HISTORY_DAYS_MIN)] = 30.0
    """How long incidents that are over, and the changes of cities, are kept; log time."""
    store: str = "province.sqlite"
    """A file in this folder, or the URL of a database."""
    feed: ListenSettings = ListenSettings(address=PORT)
    limits: Limits = Limits(receive_bytes=2 << 20)
    """Cities may have half of `receive_bytes` on the way without an acknowledgement, at most 1 MiB."""


def read_province(folder: Path) -> ProvinceSettings:
    """The settings of a folder; raises SettingsError with the file at fault."""
    path = folder / PROVINCE_FILE
    if not path.is_file():
        raise SettingsError(f"{folder}: wanted the folder of a province with {PROVINCE_FILE}, got none")
    try:
        data = path.read_bytes()
    except OSError as wrong:
        raise SettingsError(f"{path}: wanted settings of a province, got: {wrong.strerror}") from wrong
    return placed(settings_from(data, ProvinceSettings, str(path)), folder)
