"""What both ends of a link keep, in a store: lines under their numbers, how far the other end has got, instructions.

city_book      the city's: reads its own feed, remembers what it was told to do
province_book  the province's: mirrors of its cities and its own incidents, in one transaction
instructions   what the province told its cities, and what became of it
"""
