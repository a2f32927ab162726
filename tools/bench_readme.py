#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Put the figures of the last `make bench` into README.md, between the marks <!-- bench --> and <!-- /bench -->.

usage: bench_readme.py [bench.json]     build/bench.json by default
"""
import json
import pathlib
import platform
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"


def processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def number(figure, unit):
    text = "%.3g" % figure if abs(figure) < 1000 else f"{figure:,.0f}"
    return text + unit


def table(results):
    rows = [f"Measured by `make bench` on {processor()} (shared, so ratios tell more than rates), each figure beside its yardstick",
            "in one run: the median of rounds in which both took turns. Rates are requests a second, 64 connections.", "",
            "| figure | measured | target | | rate | yardstick |", "|---|---:|---:|---|---:|---:|"]
    for r in results:
        rates = " | ".join(f"{r[k]:,.0f}" if k in r else "" for k in ("rate", "yardstick"))
        rows.append(f"| {r['name']} | {number(r['figure'], r.get('unit', ''))} | {r['target']} | {'ok' if r['ok'] else 'short'} | {rates} |")
    return "\n".join(rows) + "\n"


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "bench.json"
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    README.write_text(before + BEGIN + table(json.loads(path.read_text())) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
