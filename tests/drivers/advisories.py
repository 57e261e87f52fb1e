"""`make audit`: what is publicly known to be wrong with the packages of the locks, asked by pip-audit. A
package about which nobody could be asked is named so and never counts as sound; only a known fault makes it fail."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK, FURTHER = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
SECONDS = 300


def read_lock(path: Path = LOCK) -> list[tuple[str, str]]:
    """Name and version of each package of the lock file, in its order."""
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)


def ask(program: str, lock: Path = LOCK) -> list[dict[str, Any]]:
    """What pip-audit says of each package; nothing where it is not there, takes too long or says nothing."""
    command = [program, "--requirement", str(lock), "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off"], capture_output=True, encoding="utf-8", timeout=SECONDS, check=False
        )
        told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return []
    return told


def main(program: str, lock: Path = LOCK) -> int:
    """Print what is known and what could not be asked; 1 where a fault is known."""
    told = {item["name"]: item for item in ask(program, lock) if "vulns" in item}
    faults = [
        f"  {name} {item['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for name, item in told.items()
        for fault in item["vulns"]
    ]
    print(f"Asked about {len(told)} packages of {lock.name}; known faults: {len(faults)}.")
    print(*faults, sep="\n", end="\n" if faults else "")
    left = [f"  {name} {version}" for name, version in read_lock(lock) if name not in told]
    if left:
        print(f"No advisories could be had for {len(left)}. They would be asked for:")
        print(*left, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(max(main(sys.argv[1], lock) for lock in (LOCK, FURTHER)))
