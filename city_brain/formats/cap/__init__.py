"""The Common Alerting Protocol (OASIS CAP 1.2), with the profile of Chinese public early warning.

alert       an alert as values
vocabulary  words and codes: levels, colours, categories
codes       codes of areas (GB/T 2260), and which of them holds which
incidents   incidents as alerts
writing     alerts to XML
hostile     XML that may be an attack, read into a small tree
reading     XML to alerts
readiness   warnings of others: what holds where, and when
"""
