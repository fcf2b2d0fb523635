"""Networks as cards with weights: read strictly, fetched by hash, looked through before anything runs."""
