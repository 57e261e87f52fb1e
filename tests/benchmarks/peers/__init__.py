"""What others would use instead, each module in a process of its own, with answers equal to ours."""
