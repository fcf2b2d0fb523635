"""Which cameras a site watches, where they are reached, and how patient it is: `[video]` of site.toml."""

import ipaddress
from typing import Annotated, Final, Literal

import msgspec

LEAST_EVERY_MS: Final = 10
MOST_EVERY_MS: Final = 3_600_000
Milliseconds = Annotated[int, msgspec.Meta(ge=LEAST_EVERY_MS, le=MOST_EVERY_MS)]
Seconds = Annotated[float, msgspec.Meta(ge=0.5, le=600.0)]
Scheme = Literal["rtsp", "rtsps", "http", "https"]


class CameraSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the pictures of one camera come from; `[video.cameras.ID]`, with the id that the map gives it."""

    address: str
    """rtsp:// or rtsps://, http:// or https:// (MJPEG), or the path of a file or folder, from the site's folder on.

    A file is played once, at its own pace; images of a folder are a second apart. User and password stand beside an
    address, never in it.
    """
    user: str = ""
    password_file: str = ""
    """A file, from the site's folder on, whose first line is the password: settings are copied about, secrets are not.
    """

    def __post_init__(self) -> None:
        """Refuses a source that is none; a ValueError, to which the reader of site.toml adds the place."""
        if not self.address:
            raise ValueError("address: wanted an address or a path, got none")
        if self.password_file and not self.user:
            raise ValueError("user: wanted a user to whom password_file belongs, got none")


class VideoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cameras of a site and how they are watched; `[video]` in site.toml. Without cameras none is."""

    model: str = ""
    """Name of the network that looks, as `city-brain models list` has it."""
    cameras: dict[str, CameraSource] = {}
    """By the camera's id on the map."""
    schemes: tuple[Scheme, ...] = ("rtsp", "rtsps")
    """What may be dialled. `http` and `https` are streams of JPEGs."""
    networks: tuple[str, ...] = ()
    """Where cameras may be (10.20.0.0/16, 2001:db8::/48); nothing else is dialled, whatever a name leads to."""
    tls_ca: str = ""
    """A file, from the site's folder on, with the certificates (PEM) of those who vouch for cameras of `rtsps` and
    `https`, and nobody else does then; empty: those whom the system trusts.
    """
    every_ms: Milliseconds = 100
    """A camera is looked at once in so many ms at most."""
    read_timeout_s: Seconds = 5.0
    """A stream that gives no frame for so long is left, and dialled again."""
    down_after_s: Seconds = 10.0
    """A camera without a frame for so long is down."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    """Of the network."""
    providers: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("CPUExecutionProvider",)
    """Where the network runs, as ONNX Runtime names it; the first that is there."""

    def __post_init__(self) -> None:
        """Refuses networks that are none; a ValueError as above."""
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as wrong:
                raise ValueError(f"networks: wanted a network such as 10.20.0.0/16, got {network!r}: {wrong}") from None
