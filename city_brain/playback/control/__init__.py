"""What is done with a recording that is played.

pacing.py     its ticks at a rate
stepping.py   to and fro: ticks, times, incidents, states to branch from
verifying.py  held against what the city said then
"""
