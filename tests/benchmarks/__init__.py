"""Benchmarks against pandas, started by `make bench`. Every measured thing runs in a process of its own, so that its
memory and its warm-up are its own, and this package stays small in memory itself."""
