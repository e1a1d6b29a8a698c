"""Holds `lsmlab simulate` against the real engine: the same composition, keys and writes in both.

    python3 tests/bench/simulate_against_engine.py build/lsmlab --bytes 1GiB --dir /var/tmp/sim

For every policy: a store is loaded (a quarter of the bytes, each key once, drained) and overwritten with
the rest, without a log; then the same is simulated, once as if background work were done at once and once
at the rates of the real run (what writers wrote per second while nothing held them back, what three of four
compactions did not exceed). Prints write amplification of all three. A tree that is behind merges more at a time and
writes less: the first simulation is to be held against a run with --target, which leaves compaction the time
that it needs, the second one against any. Stores are removed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

SMALL = {"memtable.size": "4MiB", "cache.variant": "none", "wal.variant": "off"}
LEVELS = {"compaction.size_ratio": "4", "compaction.file_size": "4MiB"}
LEVEL1 = {"compaction.level1_size": "16MiB"}
POLICIES = {
    "leveled": {**LEVELS, **LEVEL1},
    "one-leveling": {**LEVELS, **LEVEL1},
    "tiered": LEVELS,
    "lazy-leveled": LEVELS,
    "fifo": {"compaction.max_size": "256MiB"},
}
VALUE_BYTES = 1000


def call(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def measure(program, folder, settings, records, writes, distribution, target):
    """The records of load and run phase."""
    name, _, theta = distribution.partition(":")
    properties = {
        "recordcount": records, "operationcount": writes, "readproportion": 0, "updateproportion": 1,
        "lsmlab.update": "blind", "lsmlab.rawvalue": "true", "fieldcount": 1, "fieldlength": VALUE_BYTES,
        "requestdistribution": "zipfian" if theta else name,
    }  # fmt: skip
    if theta:
        properties["lsmlab.zipfianconstant"] = theta
    if target:
        properties["target"] = target
    options = [f"-p{key}={value}" for key, value in properties.items()]
    call(program, "bench", "--workload", "ycsb-a", "--db", folder + "/store", "--out", folder,
         *options, *settings)  # fmt: skip
    shutil.rmtree(folder + "/store")
    return lines(folder + "/records.ndjson")


def rates_of(record):
    """What writers give per second while nothing holds them back, and what a compaction reads."""
    counters = record["counters"]
    free = record["elapsed_s"] - (counters["stall_ns"] + counters["slowdown_ns"]) * 1e-9
    options = ["--write-rate", f"{record['user_bytes_written'] / max(free, 1e-3):.0f}"]
    # Those that had a thread for themselves are the fast ones.
    speeds = sorted(e["bytes_in"] / e["duration_s"] for e in record["events"]
                    if e["kind"] == "compaction" and e["duration_s"] > 0)  # fmt: skip
    if speeds:
        options += ["--job-bandwidth", f"{speeds[3 * len(speeds) // 4]:.0f}"]
    return options


def simulate(program, folder, settings, records, measured, distribution, rates):
    """Write amplification of load (to the drained tree, as the record's) and run phase (not drained)."""
    entry = measured[0]["user_bytes_written"] / measured[0]["ops"]
    found = []
    for record in measured:
        options = ["--load", "--key-space", str(records), "--entry-bytes", f"{entry:.1f}",
                   "--key-bytes", str(round(entry - VALUE_BYTES)), "--samples", "10",
                   "--user-bytes", str(measured[1]["user_bytes_written"]),
                   "--distribution", distribution]  # fmt: skip
        call(program, "simulate", "--out", folder, *options, *settings, *(rates_of(record) if rates else []))
        samples = lines(folder + "/simulation.ndjson")[1:]
        load = [s for s in samples if s["phase"] == "load"][-1]
        run = [s for s in samples if not s["drained"]][-1]
        if record is measured[0]:
            found.append(load["write_amplification"])
        else:
            written = run["written_bytes"] - load["written_bytes"]
            found.append(written / (run["user_bytes"] - load["user_bytes"]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--bytes", default="1GiB", help="written by the user in all, in whole GiB")
    parser.add_argument("--dir", required=True, help="for the stores; made and removed")
    parser.add_argument("--distribution", default="uniform", help="uniform or scrambled:0.99, which is YCSB's zipfian")
    parser.add_argument("--target", type=int, default=0, help="overwrites per second; 0: all it takes")
    parser.add_argument("--policies", nargs="*", default=list(POLICIES))
    options = parser.parse_args()
    total = int(options.bytes.removesuffix("GiB")) * 2**30
    records = total // 4 // (VALUE_BYTES + 24)
    writes = total // (VALUE_BYTES + 24) - records
    os.makedirs(options.dir)
    print(f"{'write amplification':21} {'engine':>8} {'at once':>16} {'at its rates':>17}")
    for policy in options.policies:
        settings = ["--set", f"engine.compaction.variant={policy}"]
        for name, value in {**SMALL, **POLICIES[policy]}.items():
            settings += ["--set", f"engine.{name}={value}"]
        folder = os.path.join(options.dir, policy)
        os.makedirs(folder)
        measured = measure(options.program, folder, settings, records, writes, options.distribution,
                           options.target)  # fmt: skip
        pairs = [simulate(options.program, folder, settings, records, measured, options.distribution, r)
                 for r in (False, True)]  # fmt: skip
        for index, record in enumerate(measured):
            real = record["write_amplification"]
            shown = "".join(f" {p[index]:8.2f} {100 * (p[index] / real - 1):+6.1f} %" for p in pairs)
            print(f"{policy + ' ' + record['phase']:21} {real:8.2f}{shown}", flush=True)
    shutil.rmtree(options.dir)


if __name__ == "__main__":
    main()
