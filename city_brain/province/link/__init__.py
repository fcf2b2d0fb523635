"""Both ends of the link between a city and its province: messages in, messages out, and a book that each of them keeps.

The city sends the changes behind what the province has, at most one window at a time; the province answers once they
are on its disk. Whatever is cut, delayed or told twice: the city goes on behind what the province says that it has.

    city_end      the end that calls
    province_end  the end that is called
"""
