"""What an operator asks: what it costs, whether it works, and what is late."""
