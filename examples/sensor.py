#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sensor: replays a year of hourly temperatures into a container.

usage: sensor.py [--cse URL] [--data FILE] [--rate N] [--readings N]
    --cse URL      the <CSEBase> [http://127.0.0.1:8080/cse]
    --data FILE    CSV with the columns date and temperature [data/seattle-hourly-temperatures.csv]
    --rate N       readings a second; 0: as fast as the CSE takes them [20]
    --readings N   stop after so many [all]

It registers as the AE Csensor and creates
    sensor                  the AE
    sensor/readers          a policy: Csensor may do everything, Cdisplay may read and subscribe, other AEs may read
    sensor/temperature      the container, which keeps the last 9000 readings
Then every reading becomes a content instance. Run it again and it goes on with the same container.
"""
import argparse
import csv
import json
import pathlib
import sys
import time

from reeve_http import CONTAINER, INSTANCE, POLICY, Cse

HERE = pathlib.Path(__file__).resolve().parent
CREATE, RETRIEVE, DISCOVERY, ALL = 1, 2, 32, 63


def readings(path):
    """(time as text, degrees) of each line."""
    with open(path, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            yield row["date"], float(row["temperature"])


def prepare(cse):
    cse.register("sensor")
    at = f"{cse.base}/sensor"
    policy = cse.create_once(at, POLICY, "m2m:acp", rn="readers",
                             pv={"acr": [{"acor": ["Csensor"], "acop": ALL},
                                         {"acor": ["Cdisplay"], "acop": CREATE | RETRIEVE | DISCOVERY},
                                         {"acor": ["C*"], "acop": RETRIEVE | DISCOVERY}]},
                             pvs={"acr": [{"acor": ["Csensor"], "acop": ALL}]})
    cse.create_once(at, CONTAINER, "m2m:cnt", rn="temperature", mni=9000, lbl=["unit:celsius", "place:seattle"], acpi=[policy["ri"]])
    return f"{at}/temperature"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    p.add_argument("--cse", default="http://127.0.0.1:8080/cse")
    p.add_argument("--data", default=HERE / "data" / "seattle-hourly-temperatures.csv")
    p.add_argument("--rate", type=float, default=20)
    p.add_argument("--readings", type=int)
    o = p.parse_args()
    cse = Cse(o.cse, "Csensor")
    container = prepare(cse)
    started, n = time.monotonic(), 0
    for when, celsius in readings(o.data):
        if n == o.readings:
            break
        cse.create(container, INSTANCE, "m2m:cin", cnf="application/json:0", con=json.dumps({"time": when, "celsius": celsius}))
        n += 1
        if o.rate:
            time.sleep(max(0.0, started + n / o.rate - time.monotonic()))
    print(f"{n} readings in {time.monotonic() - started:.1f} s into {container}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except OSError as e:
        sys.exit(f"sensor: {e}: is the CSE up?")
