"""How the sources of a run are.

sources  each source as it stands at the end
tallies  where the rows of each source ended
"""
