"""Apache Kafka as seen by those who look after it: topics, what is sent into them, and whether all is well.

settings.py      where the brokers are, and how they are spoken to
topics.py        the one table of topics
connecting.py    clients, and errors that say the place
admin.py         what the cluster lacks of the table, and how it gets that
sending.py       observations into the raw topics
dead_letters.py  what went no further, with where and why
control/         map, types and settings, by version
redriving.py     dead letters back to where they came from
doctor.py        brokers, topics, lag, silence, snapshots, dead letters
"""
