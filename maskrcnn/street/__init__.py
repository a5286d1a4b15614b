"""How the synthetic street is drawn."""
