"""What the commands around Kafka share: they need a site's settings, and not its map."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.site import SiteSettings

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE", help="A folder with city.geojson, and site.toml if any.")]


def site_settings(folder: Path) -> "SiteSettings":
    """The settings of a site; raises SettingsError where there is no such folder."""
    from city_brain.site import read_settings

    if not folder.is_dir():
        raise SettingsError(f"{folder}: wanted the folder of a site, got none")
    return read_settings(folder / "site.toml")
