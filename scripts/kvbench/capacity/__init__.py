"""Computes how many requests fit on a card under each policy, and how many cards a request rate needs."""
