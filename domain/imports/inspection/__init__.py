"""What a file looks like, what is proposed for it, and what is doubtful."""
