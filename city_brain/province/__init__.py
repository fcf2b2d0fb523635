"""A province: the incidents of its cities, joined where two cities see one event, and the links that they come over.

joining   how incidents of cities become provincial ones; pure
link      both ends of a link as state machines: messages in, messages out; pure
"""
