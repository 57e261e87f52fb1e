"""The columnar copy of purchases, beside the store: written now and then, read with what has changed since."""
