"""`lsmlab run`: a tiny experiment to its report, resume, interrupt."""

import json
import os
import signal
import subprocess
import time
import unittest.mock

from program import PROGRAM, ProgramTest, main

TINY = """question = "Does the whole way work?"
base = "baseline"
[engine.memtable]
size = "256KiB"
[matrix]
"engine.filter.variant" = ["none", "bloom"]
[[variant]]
engine = "rocksdb"
[workload]
files = ["workloads/ycsb/workloada", "workloads/ycsb/workloadc"]
recordcount = 2000
operationcount = 1000
[run]
repetitions = 2
"""
# Baseline and filter=none and rocksdb, two workloads, two blocks.
RUNS = 3 * 2 * 2

COPIED = """question = "Does one load serve two workloads?"
base = "baseline"
[engine.memtable]
size = "256KiB"
[[variant]]
name = "baseline"
[[variant]]
engine = "rocksdb"
[[variant]]
engine = "null"
[workload]
files = ["workloads/ycsb/workloada", "workloads/ycsb/workloade"]
recordcount = 2000
operationcount = 1000
[run]
repetitions = 2
load = "copied"
"""
# Three rows, two blocks: a load each and two workloads on copies of it.
COPIED_RUNS = 3 * 2 * (1 + 2)

LONG = """question = "Can it be stopped?"
base = "baseline"
[[variant]]
name = "same"
[workload]
file = "workloads/ycsb/workloadc"
recordcount = 2000
operationcount = 0
[run]
repetitions = 1
[limits]
run = "60s"
"""

BARS = LONG.replace("operationcount = 0", "operationcount = 1000").replace("= 1\n", "= 2\n") + """
[[expect]]
workload = "workloadc"
variant = "same"
metric = "ops"
absolute = true
at_least = 1000
"""

FIO = """question = "Does a load count that has ended at its limit?"
base = "fio"
[[variant]]
engine = "fio"
[workload]
file = "workloads/ycsb/workloadc"
recordcount = 4000
operationcount = 1000
[run]
repetitions = 1
[limits]
load = "60s"
"""
# Stands in for fio: reports one request less than it was asked for, as at the end of its time.
SHORT_FIO = """#!/usr/bin/python3
import json, sys
given = dict(a[2:].split("=", 1) for a in sys.argv if "=" in a)
done = int(given["io_size"]) // int(given["bs"]) - 1
side = {"total_ios": done, "runtime": 10, "lat_ns": {"bins": {"1000": done}}}
with open(given["output"], "w") as file:
    json.dump({"jobs": [{"read": side, "write": side}]}, file)
"""


def cell(record):
    return record["variant"], record["workload"], record["phase"], record["block"]


class RunTest(ProgramTest):
    def test_tiny_experiment_to_its_report(self):
        out = self.path("out")
        text = self.good("run", self.write("tiny.toml", TINY), "--out", out)
        self.assertIn(f"{RUNS} runs done", text)
        self.assertIn("filter=none", text)
        for name in ("report.html", "plots", "plan.json"):
            self.assertTrue(os.path.exists(os.path.join(out, name)), name)
        self.assertTrue([f for f in os.listdir(os.path.join(out, "plots")) if f.endswith(".svg")])
        self.assertFalse(os.path.exists(os.path.join(out, "work")), "stores must be gone")
        records = self.records(out)
        self.assertEqual(len(records), 2 * RUNS)
        self.assertEqual(len({cell(r) for r in records}), 2 * RUNS)
        self.assertTrue(all(r["complete"] for r in records))
        for r in records:
            same = [o for o in records
                    if (o["workload"], o["phase"], o["block"]) == cell(r)[1:]]  # fmt: skip
            self.assertEqual(len({o["workload_digest"] for o in same}), 1)
            self.assertEqual({o["seed"] for o in same}, {42 + r["block"]})

    def test_resume_does_what_is_missing_and_repeats_nothing(self):
        out = self.path("out")
        experiment = self.write("tiny.toml", TINY)
        self.good("run", experiment, "--out", out, "--no-report")
        path = os.path.join(out, "records.ndjson")
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
        broken = json.loads(lines[3])
        broken["complete"] = False
        lines[3] = json.dumps(broken) + "\n"
        kept = lines[:-2]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(kept)
            file.write(lines[-2][:50])  # a crash while a line was written
        text = self.good("run", experiment, "--out", out, "--resume", "--no-report")
        self.assertIn(f"2 runs done, {RUNS - 2} done before", text)
        records = self.records(out)
        complete = [cell(r) for r in records if r["complete"]]
        self.assertEqual(len(complete), 2 * RUNS)
        self.assertEqual(len(set(complete)), 2 * RUNS)
        text = self.good("run", experiment, "--out", out, "--resume", "--no-report")
        self.assertIn(f"0 runs done, {RUNS} done before", text)

    def test_resume_refuses_records_of_another_build(self):
        out = self.path("out")
        command = ["run", self.write("tiny.toml", TINY), "--out", out, "--smoke", "--no-report"]
        self.good(*command)
        with open(os.path.join(out, "records.ndjson"), encoding="utf-8") as file:
            lines = file.readlines()
        here = json.loads(lines[1])

        def put(**changes):
            other = json.loads(lines[1])
            for name, value in changes.items():
                (other if name in other else other["build"])[name] = value
            torn = lines[0][:-1]  # by its newline alone; is to stay, too
            self.write("out/records.ndjson",
                       "".join([lines[0], json.dumps(other) + "\n", *lines[2:], torn]))  # fmt: skip

        for name, there, says in (("revision", "0123abcd", here["revision"]),
                                  ("dirty", not here["dirty"], "with changes"),
                                  ("compiler", "cc 1.0", here["build"]["compiler"]),
                                  ("flags", "-O0", here["build"]["flags"]),
                                  ("type", "Other", here["build"]["type"]),
                                  ("sanitizer", "other", "sanitizer other"),
                                  ("plugins", ["p.so 12"], "plugins p.so 12, here none")):  # fmt: skip
            with self.subTest(name):
                put(**{name: there})
                before = self.listing(out)
                both = [says, there] if isinstance(there, str) else [says]
                self.bad(2, *command, "--resume",
                         says=["records.ndjson:2", "another build", *both])  # fmt: skip
                self.assertEqual(self.listing(out), before)
        put(revision="0123abcd", complete=False)  # is done again, whoever has measured it
        self.assertIn("1 runs done, 5 done before", self.good(*command, "--resume"))
        self.assertEqual(len(self.records(out)), len(lines) + 1)

    def test_resume_refuses_another_text_of_the_workload_file(self):
        with open("workloads/ycsb/workloadc", encoding="utf-8") as file:
            text = file.read()
        own = self.write("own", text)
        out = self.path("out")
        experiment = self.write("e.toml", TINY.replace("workloads/ycsb/workloada", own))
        command = ["run", experiment, "--out", out, "--smoke", "--no-report"]
        self.good(*command)
        before = self.listing(out)
        self.write("own", text + "\nfieldlength=10\n")
        self.bad(2, *command, "--resume", says=["another plan"])
        self.assertEqual(self.listing(out), before)

    def test_bars_are_judged_with_the_page_and_without(self):
        missed = BARS.replace("at_least = 1000", "at_least = 1001")
        for name, text, more, code in (("kept", BARS, ["--no-report"], 0),
                                       ("missed", missed, ["--no-report"], 1),
                                       ("missed-page", missed, [], 1)):  # fmt: skip
            with self.subTest(name):
                out = self.path(name)
                got, said, err = self.call("run", self.write("b.toml", text), "--out", out, *more)
                self.assertEqual(got, code, said + err)
                self.assertIn(f"{1 - code} of 1 bars passed", said)
                self.assertEqual(os.path.exists(os.path.join(out, "report.html")), not more)

    def test_bars_need_every_planned_block(self):
        out = self.path("out")
        text = BARS.replace("repetitions = 2", "repetitions = 3")
        self.good("run", self.write("b.toml", text), "--out", out, "--no-report")
        records = self.records(out)
        self.assertEqual({r["blocks"] for r in records}, {3})
        kept = [json.dumps(r) + "\n" for r in records if r["block"] < 2]
        self.write("out/records.ndjson", "".join(kept))  # as if it had been interrupted there
        command = ["/usr/bin/python3", "-B", "-m", "lsmlab_results", "speed", out]
        path = os.path.abspath("results")
        for _ in range(2):  # by the plan, then by the records
            with unittest.mock.patch.dict(os.environ, PYTHONPATH=path):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("2 of 3 blocks), bar >= 1k", done.stdout)
            if os.path.exists(os.path.join(out, "plan.json")):
                os.remove(os.path.join(out, "plan.json"))

    def test_smoke_judges_no_bars(self):
        out = self.path("out")
        experiment = self.write("b.toml", BARS.replace("at_least = 1000", "at_least = 1001"))
        said = self.good("run", experiment, "--out", out, "--smoke", "--no-report")
        self.assertIn("bars are not judged", said)
        self.assertNotIn("bars passed", said)
        self.assertFalse([r for r in self.records(out) if "expect" in r])

    def test_load_of_fio_that_ends_at_its_limit_is_not_complete(self):
        experiment = self.write("fio.toml", FIO)
        whole = self.path("whole")
        self.good("run", experiment, "--out", whole, "--no-report")
        self.assertEqual([r["complete"] for r in self.records(whole)], [True, True])
        os.mkdir(self.path("bin"))
        os.chmod(self.write("bin/fio", SHORT_FIO), 0o755)
        path = self.path("bin") + ":" + os.environ["PATH"]
        short = self.path("short")
        with unittest.mock.patch.dict(os.environ, PATH=path):
            code, _, _ = self.call("run", experiment, "--out", short, "--no-report")
        self.assertEqual(code, 1)
        load, run = self.records(short)
        self.assertEqual((load["complete"], run["complete"]), (False, False))
        self.assertRegex(load["error"], "load ended at its limit, after [0-9]+ of [0-9]+ requests")

    def test_copied_load_is_done_once_and_runs_as_a_fresh_one(self):
        out = self.path("out")
        text = self.good("run", self.write("copied.toml", COPIED), "--out", out, "--no-report")
        self.assertIn(f"{COPIED_RUNS} runs done", text)
        self.assertFalse(os.path.exists(os.path.join(out, "work")), "stores must be gone")
        records = self.records(out)
        self.assertTrue(all(r["complete"] and not r["ops_failed"] for r in records))
        loads = [cell(r) for r in records if r["phase"] == "load"]
        rows = ("baseline", "rocksdb", "null")
        self.assertEqual(sorted(loads), sorted((row, "workloada", "load", block)
                                               for row in rows for block in (0, 1)))  # fmt: skip
        for r in records:
            self.assertEqual(r["load"], "fresh" if r["phase"] == "load" else "copied")
            self.assertFalse(r["phase"] == "run" and "space_amplification" in r)
        fresh = self.path("fresh")
        other = self.write("fresh.toml", COPIED.replace('"copied"', '"fresh"'))
        self.good("run", other, "--out", fresh, "--no-report")
        fresh_records = {cell(r): r for r in self.records(fresh)}
        self.assertEqual({r["load"] for r in fresh_records.values()}, {"fresh"})
        for r in records:
            same = fresh_records[cell(r)]
            for name in ("workload_digest", "ops", "not_found"):
                self.assertEqual(r[name], same[name])

    def test_copied_load_is_done_again_on_resume_but_not_recorded_again(self):
        out = self.path("out")
        experiment = self.write("copied.toml", COPIED)
        self.good("run", experiment, "--out", out, "--no-report")
        path = os.path.join(out, "records.ndjson")
        lost = ("rocksdb", "workloade", "run", 1)
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if cell(json.loads(line)) != lost]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)
        os.mkdir(os.path.join(out, "work"))  # what a killed process leaves
        self.write("out/work/run-1", "not a store")
        text = self.good("run", experiment, "--out", out, "--resume", "--no-report")
        self.assertIn(f"2 runs done, {COPIED_RUNS - 2} done before", text)
        cells = [cell(r) for r in self.records(out)]
        self.assertEqual(cells[-1], lost)
        self.assertEqual(len(cells), COPIED_RUNS)
        self.assertEqual(len(set(cells)), COPIED_RUNS)
        self.assertFalse(os.path.exists(os.path.join(out, "work")))

    def test_copied_load_that_fails_fails_the_runs_on_its_copies(self):
        text = COPIED.replace("= 2000", "= 5000000").replace('[[variant]]\nengine = "null"\n', "")
        # Killed, or ended in time: a store with a part of the records is no store to run on.
        for name, limit, says in (("killed", 'timeout = "1s"', "limit"),
                                  ("short", 'load = "50ms"', "the load ended at its limit, after")):
            with self.subTest(name):
                out = self.path(name)
                code, _, _ = self.call("run", self.write("c.toml", f"{text}[limits]\n{limit}\n"),
                                       "--out", out, "--no-report")  # fmt: skip
                self.assertEqual(code, 1)
                records = self.records(out)
                self.assertEqual(len({cell(r) for r in records}), 2 * 2 * (1 + 2))
                for r in records:
                    self.assertFalse(r["complete"])
                    self.assertIn(says if r["phase"] == "load" else "load that", r["error"])
                self.assertFalse(os.path.exists(os.path.join(out, "work")))

    def test_copied_load_with_no_run_phase_is_refused(self):
        text = COPIED + 'phases = "load"\n'
        self.bad(2, "run", self.write("e.toml", text), "--out", self.path("out"),
                 says=["e.toml:17", "'copied'", "fresh with phases"])  # fmt: skip
        self.assertFalse(os.path.exists(self.path("out")))

    def test_results_of_another_plan_are_left_alone(self):
        out = self.path("out")
        self.good("run", self.write("tiny.toml", TINY), "--out", out, "--no-report", "--smoke")
        before = self.listing(out)
        self.bad(2, "run", self.path("tiny.toml"), "--out", out, says=["--resume", out])
        other = self.write("other.toml", TINY.replace("= 2000", "= 2001"))
        code, _, err = self.call("run", other, "--out", out, "--resume")
        self.assertEqual(code, 2)
        self.assertIn("another plan", err)
        self.assertEqual(self.listing(out), before)
        self.bad(2, "run", other, "--out", self.path("new"), "--resume", says=["nothing to resume"])
        self.assertFalse(os.path.exists(self.path("new")))

    def test_too_little_room_is_said_before_anything_is_made(self):
        out = self.path("deep", "out")
        large = self.write("large.toml", TINY.replace("= 2000", "= 10000000000"))
        for _ in range(2):
            self.bad(1, "run", large, "--out", out, says=[out, "bytes free"])
            self.assertFalse(os.path.exists(self.path("deep")))
        self.good("run", large, "--out", out, "--smoke", "--no-report")  # which are few records

    def test_report_is_made_from_the_records_alone(self):
        out = self.path("out")
        text = LONG.replace("operationcount = 0", "operationcount = 1000")
        self.good("run", self.write("short.toml", text), "--out", out, "--no-report")
        self.assertFalse(os.path.exists(os.path.join(out, "report.html")))
        self.good("report", out)
        self.assertTrue(os.path.exists(os.path.join(out, "report.html")))

    def test_interrupt_ends_cleanly_and_resume_goes_on(self):
        out = self.path("out")
        experiment = self.write("long.toml", LONG)
        process = subprocess.Popen(
            [PROGRAM, "run", experiment, "--out", out],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(process.returncode, 1)
        self.assertIn("interrupted", err)
        records = self.records(out)
        self.assertEqual([(r["phase"], r["complete"]) for r in records],
                         [("load", True), ("run", False)])  # fmt: skip
        self.assertEqual(records[1]["error"], "interrupted")
        self.assertGreater(records[1]["ops"], 0)
        self.assertFalse(os.path.exists(os.path.join(out, "work")))

    def test_a_run_that_dies_leaves_its_record_and_the_rest_goes_on(self):
        text = TINY.replace("repetitions = 2", "repetitions = 1") + '[limits]\ntimeout = "1s"\n'
        text = text.replace("operationcount = 1000", "operationcount = 0")
        out = self.path("out")
        code, _, _ = self.call("run", self.write("t.toml", text), "--out", out, "--no-report")
        self.assertEqual(code, 1)
        runs = [r for r in self.records(out) if r["phase"] == "run"]
        self.assertEqual(len(runs), 6)
        for r in runs:
            self.assertFalse(r["complete"])
            self.assertIn("limit", r["error"])


if __name__ == "__main__":
    main()
