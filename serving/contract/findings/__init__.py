"""What a comparison, a check or the lint has found: told, waived, counted."""
