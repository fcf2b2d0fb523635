"""Around the traffic: air, water, fire, people in numbers, what people say, and sources that fall silent."""
