"""How processes find, watch, trust and call each other."""
