"""Files of rows: where they are, how they get here, and how they are read at speed, strictly and by line."""
