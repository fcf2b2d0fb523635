"""How an answer to what is wrong is worded: its place, what was wanted, what was found, and the nearest right word."""
