"""One module a version; what has been released is never edited, the next change of a table is the next module."""
