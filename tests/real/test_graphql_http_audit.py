"""The public audit suite for GraphQL over HTTP, run against the real server."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.drivers.server import demo_server

pytestmark = pytest.mark.tools
ROOT = Path(__file__).parents[2]
SCRIPT = """
import { serverAudits } from 'graphql-http';
const [url, token] = process.argv.slice(2);
const fetchFn = (address, options = {}) =>
  fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });
const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const result = await audit.fn();
  results.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason ?? null });
}
console.log(JSON.stringify(results));
"""


def test_every_audit_of_graphql_over_http_passes(tmp_path: Path) -> None:
    home = ROOT / "node_modules" / ".audit"
    home.mkdir(parents=True, exist_ok=True)
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(home)]
    subprocess.run([*install, "graphql-http@1.22.4", "graphql@16.11.0"], check=True, timeout=300)
    (home / "audit.mjs").write_text(SCRIPT)

    with demo_server(tmp_path) as server:
        arguments = ["node", str(home / "audit.mjs"), f"{server.url}/graphql", server.token]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=True)

    results = json.loads(done.stdout)
    print(f"{sum(one['status'] == 'ok' for one in results)} of {len(results)} audits pass")
    assert len(results) > 55
    assert [one for one in results if one["status"] != "ok"] == []
