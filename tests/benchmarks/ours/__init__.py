"""What is measured of this project, each module in a process of its own."""
