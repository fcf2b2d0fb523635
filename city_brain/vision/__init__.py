"""Pixels to detections: what a network is, what it says of a frame, and where on the ground that is.

children     programs beside ours, in which bytes of strangers are unpacked
frames       recordings as frames with their times; videos and snapshots of what was seen, without what is to be hidden
live         cameras as they watch: streams, their addresses, and whether their pictures can be believed
cards        what a network is: read strictly, looked through before anything runs it
letterbox    a frame as the input of a network, and boxes back
decode       raw output to boxes, by layout
nms          one box per thing
detections   the boxes of a frame
detector     frames to boxes
motion       which frames are worth a look
tracker      boxes to tracks, camera by camera
ground       pixels to places in the city, with their errors
calibration  points to what a map says of a camera
eyes         all of these for cameras, one over a recording or many at once: frames to observations
"""
