"""What others read and send: incidents as CAP, CloudEvents and GeoJSON, and warnings that come in as CAP.

Pure functions: no I/O, no clock. The same incident gives the same bytes.

cap          Common Alerting Protocol 1.2 with the Chinese profile: incidents out, warnings in
cloudevents  CloudEvents 1.0: structured JSON, and the binary form on Kafka
geojson      RFC 7946: incidents as features of a map
times        RFC 3339 with the offset of the city
"""
