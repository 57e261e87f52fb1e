"""Segments: their definitions, members, history and recalculation."""
