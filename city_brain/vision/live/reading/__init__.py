"""Streams as frames, for the child that reads a camera: RTSP, MJPEG, files; and the clocks that it goes by."""
