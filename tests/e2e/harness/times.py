# SPDX-License-Identifier: Apache-2.0
"""Times in the form of the standard, and waiting for something to become true."""

import datetime
import time


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def stamp(seconds=0.0, fraction=False):
    """m2m:timestamp so many seconds from now (UTC, no zone)."""
    t = now() + datetime.timedelta(seconds=seconds)
    text = t.strftime("%Y%m%dT%H%M%S")
    return text + ",%06d" % t.microsecond if fraction else text


def parse(text):
    """m2m:timestamp as an aware datetime."""
    main, _, frac = text.partition(",")
    t = datetime.datetime.strptime(main, "%Y%m%dT%H%M%S").replace(tzinfo=datetime.timezone.utc)
    return t + datetime.timedelta(seconds=float("0." + frac) if frac else 0)


def wait_until(what, timeout=15.0, message=""):
    """Ask `what` until it gives something true; that is returned. Fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < deadline, message or "did not happen within %g s" % timeout
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
