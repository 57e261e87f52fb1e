"""Files that people take away. A writer gets one finished value and makes bytes of it: it computes no number."""
