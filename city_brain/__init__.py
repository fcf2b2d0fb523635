"""city-brain: observations in, one explained incident per real event out.

The street, in travelling order (each package imports only from those before it):

    city          the map: cameras, lanes, signals, sensors
    observations  what a source said
    ticks         when it happened
    fusion        what is really there
    incidents     what it means
    feeds         what subscribers are told
    pipeline      the journey as one literal
    runner        all of it in one process
    distributed   the same cut into programs that talk through logs
    formats       what others read and send: CAP, CloudEvents, GeoJSON

Around it: `sources` (we read), `vision` (pixels to places), `synth` (a city of our own), `scoring` (how good was
it), `inquiry` (why something was not told), `wire` (bytes between programs), `kafka` (what lies between them), `bag`
(what lay there, in files), `store` (what stays on disk), `servers` (they call us), `province` (cities report to one),
`cli` (people call us).
"""

__version__ = "0.1.0"
