"""Where the numbered changes of feeds stay: on disk, checked on every reading, ready for whoever comes back.

values         what the store takes and gives
tables         the tables, and the seal of each row
database       SQLite or PostgreSQL behind an address: transactions, and what their errors mean
migrations     the way of a database from version to version
ledger         the rows of one feed, read with their checks and written in order
feed           one feed: append, read, prove, forget
subscriptions  how far named readers of a feed have got
records        what is kept by name beside the feeds
checking       looks over all of it
store          the door: open, feeds by name, transactions over several, secrets
"""
