"""Static figures: everything that is drawn by matplotlib."""
