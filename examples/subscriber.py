#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A display: subscribes to the sensor's readings and draws them in the terminal.

usage: subscriber.py [--cse URL] [--port N] [--days N] [--wait SECONDS]
    --cse URL       the <CSEBase> [http://127.0.0.1:8080/cse]
    --port N        where notifications are received; 0 lets the system choose [0]
    --days N        end after so many whole days [until Ctrl-C]
    --wait SECONDS  how long to wait for the sensor's container to appear [30]

It registers as the AE Cdisplay and subscribes to sensor/temperature. Each day becomes a line: lowest and highest
temperature, and the course of its hours. At the end the subscription is removed and the months are drawn.
"""
import argparse
import http.server
import json
import queue
import sys
import threading
import time

from reeve_http import SUBSCRIPTION, Cse, Refused

BARS = "▁▂▃▄▅▆▇█"
COLD = -5.0  # where the bars of months begin
CHILD_CREATED, ALL_ATTRIBUTES = 3, 1


def bar(celsius, low, high):
    at = (celsius - low) / ((high - low) or 1)
    return BARS[min(len(BARS) - 1, max(0, int(at * len(BARS))))]


def listener(port, arrived):
    """An HTTP server that puts the readings of notifications into the queue."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            event = body.get("m2m:sgn", {}).get("nev", {})
            instance = event.get("rep", {}).get("m2m:cin")
            if instance:
                arrived.put(json.loads(instance["con"]))
            self.send_response(200)
            self.send_header("X-M2M-RSC", "2000")
            self.send_header("X-M2M-RI", self.headers.get("X-M2M-RI", ""))
            self.send_header("X-M2M-RVI", "3")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def subscribe(cse, url, patience):
    until = time.monotonic() + patience
    while True:
        try:
            return cse.create(f"{cse.base}/sensor/temperature", SUBSCRIPTION, "m2m:sub", nu=[url], nct=ALL_ATTRIBUTES,
                              enc={"net": [CHILD_CREATED]})["ri"]
        except Refused as e:
            if e.rsc != 4004 or time.monotonic() > until:
                raise
            time.sleep(0.2)  # the sensor has not made its container yet


def draw_day(day, hours):
    low, high = min(hours.values()), max(hours.values())
    course = "".join(bar(hours[h], low, high) if h in hours else " " for h in range(24))
    print(f"{day}  {low:5.1f} {high:5.1f}  {course}", flush=True)


def draw_months(days):
    months = {}
    for day, hours in days.items():
        months.setdefault(day[:7], []).extend(hours.values())
    print("\nmonth     mean")
    for month, values in sorted(months.items()):
        mean = sum(values) / len(values)
        print(f"{month}  {mean:5.1f}  {'█' * max(1, round(mean - COLD))}")


def show(arrived, days_wanted):
    """Draw each day when the next one has begun for good: notifications on several connections may overtake each other."""
    days, drawn = {}, 0
    while not days_wanted or drawn < days_wanted:
        reading = arrived.get()
        day, hour = reading["time"][:10], int(reading["time"][11:13])
        days.setdefault(day, {})[hour] = reading["celsius"]
        known = sorted(days)
        while drawn + 1 < len(known) and len(days[known[drawn + 1]]) > 4:
            draw_day(known[drawn], days[known[drawn]])
            drawn += 1
            if drawn == days_wanted:
                break
    return {day: days[day] for day in sorted(days)[:drawn]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    p.add_argument("--cse", default="http://127.0.0.1:8080/cse")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--days", type=int)
    p.add_argument("--wait", type=float, default=30)
    o = p.parse_args()
    cse, arrived, days = Cse(o.cse, "Cdisplay"), queue.Queue(), {}
    server = listener(o.port, arrived)
    cse.register("display")
    subscription = subscribe(cse, f"http://127.0.0.1:{server.server_port}/", o.wait)
    print("day           low  high  hours", flush=True)
    try:
        days = show(arrived, o.days)
    except KeyboardInterrupt:
        pass
    finally:
        cse.request("DELETE", subscription)
        server.shutdown()
    draw_months(days)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except (OSError, Refused) as e:
        sys.exit(f"subscriber: {e}")
