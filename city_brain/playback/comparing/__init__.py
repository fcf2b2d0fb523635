"""Two answers held against each other: which incidents differ, where they first part, and what is expected of them.

answers.py     incidents of a recording, or of a file that was written of one
differing.py   added, removed, changed, earlier and later incidents
diverging.py   the first tick that differs: its incident, field, input record and rule
parameters.py  in what the incident types of two sides differ
junit.py       differences for machines that show tests
goldens.py     recordings with the incidents that are expected of them
"""
