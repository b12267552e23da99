"""How many requests fit on a card under each policy, and how many cards a rate of requests needs."""
