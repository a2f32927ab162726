# SPDX-License-Identifier: Apache-2.0
"""The examples as a newcomer runs them: real readings go in at the sensor and come out drawn at the subscriber."""
import csv
import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "data" / "seattle-hourly-temperatures.csv"


def expected_days(n):
    """Lowest and highest temperature of the first n days, straight from the file."""
    days = {}
    with open(DATA, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            days.setdefault(row["date"][:10], []).append(float(row["temperature"]))
            if len(days) > n:
                break
    return [(day, f"{min(v):.1f}", f"{max(v):.1f}", len(v)) for day, v in list(days.items())[:n]]


@pytest.fixture
def open_server(new_server):
    return new_server({"http.open": "true"})


def test_sensor_and_subscriber(open_server):
    url = f"http://127.0.0.1:{open_server.port}/cse"
    subscriber = subprocess.Popen([sys.executable, ROOT / "examples" / "subscriber.py", "--cse", url, "--days", "20"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        # the subscriber waits for the container, and says when it has subscribed: readings before that are not for it
        first = subprocess.run([sys.executable, ROOT / "examples" / "sensor.py", "--cse", url, "--readings", "0"],
                               capture_output=True, text=True, timeout=120)
        assert first.returncode == 0, first.stderr
        assert subscriber.stdout.readline().startswith("day")
        sensor = subprocess.run([sys.executable, ROOT / "examples" / "sensor.py", "--cse", url, "--rate", "0", "--readings", "520"],
                                capture_output=True, text=True, timeout=300)
        assert sensor.returncode == 0, sensor.stderr
        assert sensor.stdout.startswith("520 readings")
        drawn, _ = subscriber.communicate(timeout=120)
    finally:
        subscriber.kill()
        subscriber.wait()
    assert subscriber.returncode == 0, drawn
    lines = [re.fullmatch(r"(\S+) +(-?[\d.]+) +(-?[\d.]+)  (.*)", line) for line in drawn.split("\n")[:20]]
    assert [(m[1], m[2], m[3], len(m[4].strip())) for m in lines] == expected_days(20)
    assert re.search(r"^2010-01 +\d+\.\d  █+$", drawn, re.M)
    # the subscription is gone afterwards, all readings are there
    display = open_server.entity("Cdisplay")
    assert display.found("cse/sensor", {"ty": 23}) == []
    assert display.retrieve("cse/sensor/temperature").expect(2000)["cni"] == 520
    latest = json.loads(display.retrieve("cse/sensor/temperature/la").expect(2000)["con"])
    assert latest["time"].startswith("2010-01-22T")
    # the policy holds for others: they may read, not write
    other = open_server.entity("Cpasserby")
    other.retrieve("cse/sensor/temperature").expect(2000)
    other.create("cse/sensor/temperature", 4, {"con": "x"}).expect(4103)


def test_sensor_says_when_nobody_is_there():
    sensor = subprocess.run([sys.executable, ROOT / "examples" / "sensor.py", "--cse", "http://127.0.0.1:9/cse"],
                            capture_output=True, text=True, timeout=60)
    assert sensor.returncode != 0
    assert "is the CSE up?" in sensor.stderr
    assert "Traceback" not in sensor.stderr
