"""Tests, by what they need: unit, storage (two databases), api, real (sockets, browsers), benchmarks."""
