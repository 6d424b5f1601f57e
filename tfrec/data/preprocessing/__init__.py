"""Steps from `Interactions` to `Interactions`, each with a report of what it removed."""
