"""The demo shop, made up: its people, what they buy, its segments."""
