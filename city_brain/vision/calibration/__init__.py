"""Calibrating a camera: from points known both in its picture and on the ground to its homography."""
