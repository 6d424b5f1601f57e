"""Made-up worlds with a known best score: `synthetic_world` states the model, `synthetic` gives its interactions."""
