"""What a network is: its card.

card        a card as values
"""
