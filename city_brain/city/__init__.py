"""The city map: where cameras, lanes, signals and sensors stand, and which place belongs to which partition.

city_map    the map as values: `CityMap` and its features
loading     GeoJSON to CityMap and back
datum       WGS-84, CGCS2000, GCJ-02, BD-09
roads       lanes as columns, and matching of points to them
views       which cameras see a point; intersections and crosswalks around it
junctions   approaches, exits and movements of every intersection
routing     sources and places to partitions
"""
