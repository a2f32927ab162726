#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All tests, one after the other, and their sum as the last line: "N passed, N failed".

usage: run_tests.py [--list] [--soak] [STEP...]
    without STEP: all steps but those that only `--soak` runs

A step tells how many of its tests passed and failed. One that crashes, does not build, takes too long or prints no
count has failed once more: nothing that went wrong can look like nothing that ran. Logs lie in build-asan/tests/.

Steps run the program built with AddressSanitizer and UndefinedBehaviorSanitizer (build-asan), with
ThreadSanitizer (build-tsan: what has threads), and the fuzz targets (build-fuzz) for FUZZ_SECONDS each [4].
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build-asan" / "tests"
PYTHON = "/usr/bin/python3"
CPUS = os.cpu_count() or 1

ASAN = {"ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=98"}
# libuv closes descriptors by a system call that ThreadSanitizer does not see: the next one of that number looks like a race with the first.
TSAN = {"TSAN_OPTIONS": "exitcode=97:halt_on_error=0:second_deadlock_stack=1:suppressions=%s" % (ROOT / "tests" / "tsan.supp")}
# Unit tests that start threads, and end-to-end tests in which loops, hub and writer meet.
TSAN_UNIT = ["test_loop", "test_store", "test_writer", "test_secenv", "test_decisions", "test_core_policies", "test_core_twice",
             "test_consult", "test_role_repository", "fault_journal"]
TSAN_E2E = ["test_core_container.py", "test_core_subscription.py", "test_polling.py", "test_dynamic.py", "test_tour.py",
            "test_ws.py", "test_ws_client.py", "test_wss.py"]


class Result:
    def __init__(self):
        self.passed = self.failed = 0
        self.notes = []

    def fail(self, note):
        self.failed += 1
        self.notes.append(note)


def run(command, log, timeout, env=None):
    """Exit status (None: took too long) and output, which also goes to the log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / f"{log}.log", "wb+") as f:
        try:
            status = subprocess.run(command, cwd=ROOT, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                    env=dict(os.environ, **(env or {})), timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            status = None
        f.seek(0)
        return status, f.read().decode(errors="replace")


def tail(text, n=25):
    return "\n".join("      " + line for line in text.rstrip().split("\n")[-n:])


def build(r, folder, *options, env=None):
    status, out = run(["tools/build.sh", folder, *options], f"build-{folder}", 1200, env)
    if status != 0:
        r.fail(f"{folder} does not build\n{tail(out, 40)}")
    elif "warning:" in out:
        r.fail(f"{folder} builds with warnings\n{tail(out, 40)}")
    return status == 0


def build_asan(r):
    return build(r, "build-asan", "-Db_sanitize=address,undefined", "-Dbuildtype=debugoptimized", "-Db_lundef=false")


def build_tsan(r):
    return build(r, "build-tsan", "-Db_sanitize=thread", "-Dbuildtype=debugoptimized", "-Db_lundef=false")


def step_style(r):
    for name, *options in (("check_style",), ("check_layers",), ("conformance", "--check")):
        status, out = run([PYTHON, f"tools/{name}.py", *options], name, 120)
        if status == 0:
            r.passed += 1
        else:
            r.fail(tail(out))


def step_manual(r):
    """Manual pages are correct mdoc."""
    for page in sorted((ROOT / "man").glob("*.[1-8]")):
        status, out = run(["mandoc", "-T", "lint", "-W", "warning", str(page)], f"man-{page.name}", 60)
        if status == 0:
            r.passed += 1
        else:
            r.fail(f"{page.name}\n{tail(out)}")


CMOCKA = re.compile(r"\[  (PASSED|FAILED)  \] (\d+) test\(s\)")
CMOCKA_SKIPPED = re.compile(r"\[  SKIPPED \] (\w+)$", re.M)


def one_unit(binary, env):
    started = time.monotonic()
    status, out = run([str(binary)], f"{binary.parent.name}-{binary.name}", 300, env)
    passed = sum(int(n) for word, n in CMOCKA.findall(out) if word == "PASSED")
    failed = sum(int(n) for word, n in CMOCKA.findall(out) if word == "FAILED")
    note = None
    if status != 0 or passed == 0:
        failed = max(failed, 1)
        why = "took too long" if status is None else f"exit status {status}"
        bad = [line for line in out.split("\n") if re.search(r"FAILED|ERROR|runtime error|SUMMARY|Sanitizer|error:", line)]
        note = f"{binary.name}: {why}\n{tail(chr(10).join(bad[:25]) or out)}"
    elif skipped := sorted(set(CMOCKA_SKIPPED.findall(out))):
        note = f"{binary.name}: skipped: {', '.join(skipped)}"
    return passed, failed, note, time.monotonic() - started


def units(r, folder, env, only=None):
    found = [*sorted((ROOT / folder).glob("test_*")), *sorted((ROOT / folder / "tests" / "fault").glob("fault_*"))]
    binaries = [p for p in found if p.is_file() and os.access(p, os.X_OK)]
    if only is not None:
        binaries = [p for p in binaries if p.name in only]
    if not binaries:
        r.fail(f"no unit tests in {folder}: is libcmocka-dev installed?")
        return
    with concurrent.futures.ThreadPoolExecutor(CPUS) as pool:
        for passed, failed, note, _ in pool.map(lambda b: one_unit(b, env), binaries):
            r.passed += passed
            r.failed += failed
            if note:
                r.notes.append(note)


def step_unit(r):
    if build_asan(r):
        units(r, "build-asan", ASAN)


def pytest(r, name, tests, env, timeout=1500):
    report = LOGS / f"{name}.xml"
    LOGS.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    workers = ["-n", str(max(2, CPUS)), "--dist", "loadfile"]
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junit-xml={report}", *workers, *tests]
    status, out = run(command, name, timeout, env)
    failed = 0
    if report.is_file():
        for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures")) + int(suite.get("errors"))
            failed += bad
            r.passed += int(suite.get("tests")) - bad - int(suite.get("skipped"))
            r.notes += [f"skipped: {skip.get('message')}" for skip in suite.iter("skipped")]
    r.failed += failed
    if status != 0 or r.passed == 0:
        if not failed:
            r.failed += 1
        r.notes.append(f"pytest: {'took too long' if status is None else f'exit status {status}'}\n{tail(out, 60)}")


def step_e2e(r):
    if build_asan(r):
        pytest(r, "e2e", ["tests/e2e"], dict(ASAN, REEVE=str(ROOT / "build-asan" / "reeve")))


def step_threads(r):
    if not build_tsan(r):
        return
    units(r, "build-tsan", TSAN, TSAN_UNIT)
    tests = [f"tests/e2e/{t}" for t in TSAN_E2E if (ROOT / "tests/e2e" / t.split("::")[0]).is_file()]
    pytest(r, "threads", tests, dict(TSAN, REEVE=str(ROOT / "build-tsan" / "reeve")))


def one_fuzz(binary, seconds):
    name = binary.name
    corpus, extra = ROOT / "fuzz" / "corpus" / name[len("fuzz_"):], []
    dictionary = ROOT / "fuzz" / f"{name[len('fuzz_'):]}.dict"
    if dictionary.is_file():
        extra.append(f"-dict={dictionary}")
    with tempfile.TemporaryDirectory(prefix="reeve-fuzz-") as grown:
        folders = [grown] + ([str(corpus)] if corpus.is_dir() else [])
        status, out = run([str(binary), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                           f"-artifact_prefix={LOGS}/{name}-", "-print_final_stats=1", *extra, *folders],
                          name, seconds + 300, {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"})
    return name, status, out


def fuzz(r, seconds):
    if not shutil.which("clang"):
        r.fail("clang is not installed: tools/deps.sh test")
        return
    if not build(r, "build-fuzz", "-Dfuzzing=true", "-Db_lundef=false", env={"CC": "clang"}):
        return
    binaries = [p for p in sorted((ROOT / "build-fuzz").glob("fuzz_*")) if p.is_file() and os.access(p, os.X_OK)]
    if not binaries:
        r.fail("no fuzz targets")
    with concurrent.futures.ThreadPoolExecutor(CPUS) as pool:
        for name, status, out in pool.map(lambda b: one_fuzz(b, seconds), binaries):
            if status == 0:
                r.passed += 1
            else:
                r.fail(f"{name}: {'took too long' if status is None else f'exit status {status}'}\n{tail(out, 30)}")


def step_fuzz(r):
    fuzz(r, int(os.environ.get("FUZZ_SECONDS", "4")))


def step_long_fuzz(r):
    fuzz(r, int(os.environ.get("FUZZ_SECONDS", "600")))


def step_soak(r):
    """Long end-to-end tests: tests/soak."""
    if not (ROOT / "tests" / "soak").is_dir():
        r.fail("there is no tests/soak")
    elif build(r, "build"):
        pytest(r, "soak", ["tests/soak"], {"REEVE": str(ROOT / "build" / "reeve")}, timeout=6 * 3600)


STEPS = {"style": step_style, "manual": step_manual, "unit": step_unit, "e2e": step_e2e, "threads": step_threads, "fuzz": step_fuzz}
SOAK = {"soak": step_soak, "long-fuzz": step_long_fuzz}


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    everything = dict(STEPS, **SOAK)
    if "--list" in sys.argv[1:]:
        print("\n".join(everything))
        return 0
    unknown = [a for a in arguments if a not in everything]
    if unknown:
        print(f"no step {unknown[0]}; there are {', '.join(everything)}", file=sys.stderr)
        return 2
    passed = failed = 0
    for name in arguments or (SOAK if "--soak" in sys.argv[1:] else STEPS):
        r, started = Result(), time.monotonic()
        try:
            everything[name](r)
            if r.passed + r.failed == 0:
                r.fail("nothing ran")
        except Exception as e:  # a step that breaks is a failure, not the end of the others
            r.fail(f"the step broke: {type(e).__name__}: {e}")
        print(f"{'ok  ' if not r.failed else 'FAIL'} {name:9} {r.passed:5} passed {r.failed:4} failed {time.monotonic() - started:6.0f} s", flush=True)
        for note in r.notes:
            print(f"     {note}", flush=True)
        passed += r.passed
        failed += r.failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
