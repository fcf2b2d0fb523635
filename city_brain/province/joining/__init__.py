"""How incidents of cities become those of their province; nothing here reads a clock or writes anything.

nearby    which incidents may be near another one
nearness  whether two incidents of different cities are one event
uniting   what a province says of its members
joining   takes the changes of cities one by one, and says what changes at the province
"""
