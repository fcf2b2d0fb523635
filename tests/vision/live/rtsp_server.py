"""A real RTSP server for tests, by GStreamer: mounts /0, /1, … in H.264, and one more at /h265, /jpeg and /vp8 each,
whose pictures show when they were made.

Run by the system's Python, which has the bindings: `/usr/bin/python3 rtsp_server.py PORT MOUNTS [USER PASSWORD]`. It
prints a line once it answers; where the packages are absent it says which, and ends with exit code 3. Without arguments
it only looks for them.
"""

import sys
import time

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
except (ImportError, ValueError) as absent:
    print(absent)
    sys.exit(3)

WIDTH, HEIGHT, FPS = 320, 240, 10
CELL, BAND = 8, 32
"""The moment stands in a band at the top: 8 bits of the mount, 32 of epoch ms, each a cell black or white."""
SOURCE = (
    f"appsrc name=source is-live=true format=time do-timestamp=true "
    f"caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1"
)
H264 = (
    f"x264enc tune=zerolatency speed-preset=ultrafast threads=1 sliced-threads=false "
    f"key-int-max={FPS} pass=quant quantizer=18 ! rtph264pay name=pay0 pt=96 config-interval=-1"
)
OTHERS = {
    "h265": f"x265enc tune=zerolatency speed-preset=ultrafast key-int-max={FPS} qp=18 "
    f"! h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "jpeg": "jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26",
    "vp8": "vp8enc deadline=1 threads=1 ! rtpvp8pay name=pay0 pt=96",
}
SLOPE = bytes(abs(column - WIDTH // 2) + 40 for column in range(WIDTH))


def picture(mount: int, now_ms: int) -> bytes:
    """A picture of this moment: the band, and below it a slope that wanders."""
    bits = f"{mount:08b}{now_ms % 2**32:032b}"
    band = b"".join((b"\xf0" if bit == "1" else b"\x10") * CELL for bit in bits)
    at = now_ms // 20 % WIDTH
    rows = (SLOPE[at:] + SLOPE[:at]) * (HEIGHT - BAND)
    return band * BAND + rows + b"\x80" * (WIDTH * HEIGHT // 2)


def serve(media: "GstRtspServer.RTSPMedia", mount: int) -> None:
    """Feeds a stream until nobody watches it any more."""
    source = media.get_element().get_child_by_name("source")
    watched = [True]
    media.connect("unprepared", lambda _media: watched.clear())

    def push() -> bool:
        if watched:
            source.emit("push-buffer", Gst.Buffer.new_wrapped(picture(mount, time.time_ns() // 1_000_000)))
        return bool(watched)

    GLib.timeout_add(1000 // FPS, push)


def factory(mount: int, packs: str, guarded: bool) -> "GstRtspServer.RTSPMediaFactory":
    """One mount, encoded once for all who watch it."""
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {SOURCE} ! {packs} )")
    made.set_shared(True)
    made.connect("media-configure", lambda _factory, media: serve(media, mount))
    if guarded:
        permissions = GstRtspServer.RTSPPermissions()
        for what in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", what, True)
        made.set_permissions(permissions)
    return made


def guard(user: str, password: str) -> "GstRtspServer.RTSPAuth":
    """Asks for a password, by digest."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    return auth


def main() -> None:
    """Serves until it is killed."""
    Gst.init(None)
    for name in ("x264enc", "rtph264pay", "appsrc", "x265enc", "rtph265pay", "rtpjpegpay", "vp8enc"):
        if Gst.ElementFactory.find(name) is None:
            print(f"no element {name} of GStreamer")
            sys.exit(3)
    if not sys.argv[1:]:
        return
    port, mounts, *login = sys.argv[1:]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if login:
        server.set_auth(guard(*login))
    packed = {str(mount): H264 for mount in range(int(mounts))} | OTHERS
    for mount, (path, packs) in enumerate(packed.items()):
        server.get_mount_points().add_factory(f"/{path}", factory(mount, packs, bool(login)))
    if not server.attach(None):
        print(f"port {port} is taken")
        sys.exit(1)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
