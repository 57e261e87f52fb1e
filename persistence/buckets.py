"""Where workers settle what callers took from their buckets of cost, in the store or in Redis. A bucket is kept as the
instant at which it is full again: what is taken moves it on, so that the order of workers does not matter, and what is
full need not be kept. It is no part of a business's data: no change number is raised, and nobody waits for it long."""

import json
import time
from collections.abc import Mapping

from sqlalchemy import BigInteger, case, delete, literal, select
from sqlalchemy.exc import SQLAlchemyError

from persistence.database.dialects import make_insert
from persistence.database.engines import Database
from persistence.database.transactions import connect_briefly
from persistence.reports.cache import ANSWER_SECONDS, RedisCache
from persistence.tables.businesses import business
from persistence.tables.requests import CostBucketRow, cost_bucket

Caller = tuple[str, str]
"""The key of a business and the subject of a token of it."""
MICROS = 1_000_000
ADD = """
local now, longest, found = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for place, key in ipairs(KEYS) do
  local full = math.max(tonumber(redis.call('get', key) or '0'), now)
  if full > now + longest then full = now end
  full = full + tonumber(ARGV[place + 2])
  redis.call('set', key, string.format('%.6f', full), 'EX', math.max(1, math.ceil(full - now)))
  found[place] = string.format('%.6f', full - now)
end
return found
"""


class DatabaseBuckets:
    """A row a caller, which goes when the bucket is full."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, taken: Mapping[Caller, float], longest: float) -> Mapping[Caller, float]:
        """Take so many seconds of restoration from the buckets; in how many they are full again. One that would take
        longer than `longest` is taken for full: a clock was set. Those of a business that there is not are left out,
        and all where the store cannot be written at once."""
        column, at = cost_bucket.c, int(time.time() * MICROS)
        known = column.full_at.between(at, at + int(longest * MICROS))
        full = case((known, column.full_at), else_=literal(at, BigInteger))
        found = {}
        try:
            async with connect_briefly(self.database, ANSWER_SECONDS) as connection:
                # In one order, so that no two workers wait for each other.
                for key, subject in sorted(taken):
                    micros = int(taken[key, subject] * MICROS)
                    begun = literal(at + micros, BigInteger)
                    first = select(business.c.id, literal(subject), begun).where(business.c.key == key)
                    statement = (
                        make_insert(self.database.dialect, CostBucketRow)
                        .from_select(["business_id", "subject", "full_at"], first)
                        .on_conflict_do_update(
                            index_elements=["business_id", "subject"], set_={"full_at": full + micros}
                        )
                        .returning(column.full_at)
                    )
                    for row in await connection.execute(statement):
                        found[key, subject] = (row.full_at - at) / MICROS
                await connection.execute(delete(cost_bucket).where(column.full_at < at))
                await connection.commit()
        except (SQLAlchemyError, TimeoutError):
            return {}
        return found


class RedisBuckets:
    """A key a caller, which Redis forgets when the bucket is full."""

    def __init__(self, redis: RedisCache) -> None:
        self.redis = redis

    async def add(self, taken: Mapping[Caller, float], longest: float) -> Mapping[Caller, float]:
        """The same; none where Redis is out of reach."""
        keys = [f"cost_bucket:{json.dumps(caller)}" for caller in taken]
        found = await self.redis.run_script(ADD, keys, [time.time(), longest, *taken.values()])
        return dict(zip(taken, map(float, found), strict=False))
