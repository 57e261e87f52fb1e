"""Where reports and lists of members go."""
