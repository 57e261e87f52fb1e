"""ratios"""


def main(keep: bool) -> int:
    """x"""
    return 0
