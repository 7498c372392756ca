"""How fast it is and how much memory it takes, always as ratios in one run. Nothing that starts for a user is here."""
