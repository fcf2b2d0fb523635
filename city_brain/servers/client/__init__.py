"""The other end: a reader that reconnects and loses nothing, and how its events are printed."""
