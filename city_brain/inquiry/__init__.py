"""Why a city did not tell something, and how its sources are: questions that are answered by listening to a run.

suspicions  what was said of one incident, and the gate that stopped it
telling     suspicions in words
spells      times in which sources were silent or blind
"""
