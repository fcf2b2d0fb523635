"""The page: a city, its incidents and why they are believed, as one file that a browser shows without a network.

document   what a page is told, as one value
ground     the city map as the page draws it
words      incident types in words, and incidents as the page holds them
curves     readings of sensors and traffic on roads around an incident
report     what gathers all that while a recording is fused
live       what a running city tells before its feed
html       the value and the scripts as one file that may load nothing
"""
