"""Pixels to detections: frames of cameras through a network, in pixels of the frame.

cards       what a network is
letterbox   a frame as the input of a network, and boxes back
decode      raw output to boxes, by layout
nms         one box per thing
detections  the boxes of a frame
detector    frames to boxes
motion      which frames are worth a look
"""
