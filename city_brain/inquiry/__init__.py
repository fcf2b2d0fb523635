"""Why a city did not tell something, and how its sources are: questions that are answered by listening to a run.

listening   what was said, weighed, looked at and seen about one place at one time
candidates  what might have been told, and the gate that each did not get past
suspicions  what was said of one incident
sight       which sources could have seen something, and which not
answering   all of it as an answer, with one sentence that says it
telling     suspicions in words
spells      times in which sources were silent or blind
health      how the sources themselves are
"""
