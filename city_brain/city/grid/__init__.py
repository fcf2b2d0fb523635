"""Sparse rasters: which segments or polygons can matter at a point, by the cell it lies in."""
