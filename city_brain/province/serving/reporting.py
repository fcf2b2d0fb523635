"""A city's report to its province, beside the feed that it reports."""

from city_brain.province.books.city_book import CityStore
from city_brain.province.serving.forwarder import Forwarder
from city_brain.province.settings import ReportSettings
from city_brain.servers.city_service import Beside
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed


def reporting(settings: ReportSettings, name: str) -> Beside | None:
    """What reports a kept feed to the province of the settings, without end; None where there is no province."""
    if not settings.address:
        return None

    async def report(keeper: Keeper, feed: LiveFeed) -> None:
        book = CityStore(keeper.store, lambda: keeper.feed, lambda: feed.names)
        await Forwarder(settings, book, name).run()

    return report
