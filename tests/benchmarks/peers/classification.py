"""What a pandas user would write instead of the classification batch: `python -m tests.benchmarks.peers.classification
FILE OUTPUT AS_OF` reads the file, classifies every customer by the same rules and writes the same JSON; it checks
and stores nothing."""

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

QUALIFYING = ("completed", "partial", "")
FESTIVE = ((401, 420), (1201, 1231))


def classify(file: Path, today: date) -> pd.DataFrame:
    """The labels of every customer of the file, by id."""
    rows = pd.read_csv(file, keep_default_na=False, dtype={"amount": str})
    everyone = rows["customer_id"].drop_duplicates().sort_values()
    rows = rows[rows["status"].isin(QUALIFYING)]
    rows["cents"] = rows["amount"].str.replace(".", "", regex=False).astype("int64")
    rows["day"] = pd.to_datetime(rows["timestamp"], utc=True).dt.tz_localize(None).dt.normalize()
    rows = rows[rows["day"] <= pd.Timestamp(today)]
    month_day = rows["day"].dt.month * 100 + rows["day"].dt.day
    rows["festive"] = np.logical_or.reduce([month_day.between(low, high) for low, high in FESTIVE])
    half_a_year = pd.Timestamp(today) - pd.DateOffset(months=6)
    rows["recent"] = rows["day"] > half_a_year
    orders = rows.groupby(["customer_id", "order_id"], sort=False).agg(
        cents=("cents", "sum"), day=("day", "min"), festive=("festive", "first"), recent=("recent", "first")
    )
    each = orders.groupby("customer_id").agg(
        orders=("cents", "size"),
        spend=("cents", "sum"),
        last=("day", "max"),
        festive=("festive", "sum"),
        recent=("recent", "sum"),
    )
    age = (pd.Timestamp(today) - each["last"]).dt.days
    each["frequency"] = np.select(
        [each["orders"] == 1, each["recent"] >= 5, age >= 90, 100 * each["festive"] >= 80 * each["orders"]],
        ["New", "Loyal", "Lapsed", "Seasonal"],
        "Regular",
    )
    high = (each["spend"] >= 1_500_000 * each["orders"]) | (each["spend"] >= 15_000_000)
    each["spending"] = np.select([high, each["spend"] <= 1_000_000], ["High Value", "Low Value"], "Medium Value")
    lines = rows.groupby(["customer_id", "category"]).size().rename("lines").reset_index()
    lines["every"] = lines.groupby("customer_id")["lines"].transform("sum")
    dominant = lines[100 * lines["lines"] >= 70 * lines["every"]].set_index("customer_id")["category"]
    strong = (100 * lines["lines"] >= 30 * lines["every"]).groupby(lines["customer_id"]).sum()
    each["category"] = dominant.reindex(each.index).fillna(
        pd.Series(np.where(strong.reindex(each.index) >= 2, "Family", "Mixed"), each.index)
    )
    labels = each[["frequency", "spending", "category"]].astype(object).reindex(everyone)
    return labels.where(labels.notna(), None)


def main(arguments: list[str]) -> None:
    """Read, classify, write."""
    labels = classify(Path(arguments[0]), date.fromisoformat(arguments[2]))
    names = ("purchase_frequency", "spending", "category")
    found = [
        {"customer_id": customer, "segmentation": dict(zip(names, row, strict=True))}
        for customer, *row in labels.itertuples()
    ]
    Path(arguments[1]).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
