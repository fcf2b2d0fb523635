"""A city's report to its province, beside the feed that it reports."""

from pathlib import Path

from city_brain.errors import SettingsError
from city_brain.province.books.city_book import CityStore
from city_brain.province.serving.forwarder import Forwarder
from city_brain.province.settings import ReportSettings
from city_brain.servers.city_service import Beside
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed


def reporting(settings: ReportSettings, name: str) -> Beside | None:
    """What reports a kept feed to the province of the settings, without end; None where there is no province.

    Raises SettingsError where the settings name a file that is not there.
    """
    if not settings.address:
        return None
    for option in ("tls_ca", "tls_certificate", "tls_key"):
        path = getattr(settings, option)
        if path and not Path(path).is_file():
            raise SettingsError(f"province.{option}: wanted a file that can be read, got {path}")

    async def report(keeper: Keeper, feed: LiveFeed) -> None:
        book = CityStore(keeper.store, lambda: keeper.feed, lambda: feed.names)
        await Forwarder(settings, book, name).run()

    return report
