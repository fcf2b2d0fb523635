"""What it means: findings with evidence in log-odds, joined into one explained incident per event."""
