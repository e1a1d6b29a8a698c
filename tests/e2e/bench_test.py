"""`lsmlab bench` with every preset and every peer, and the read-only `store` commands."""

import glob
import os

from program import SMALL, ProgramTest, main


class BenchTest(ProgramTest):
    def check_records(self, directory, engine):
        load, run = self.records(directory)
        self.assertEqual((load["phase"], run["phase"]), ("load", "run"))
        for record in (load, run):
            self.assertTrue(record["complete"], record)
            self.assertEqual(record["engine"], engine)
            self.assertEqual(record["ops"], 2000)
            self.assertEqual(record["ops_failed"], 0)
            self.assertGreater(record["ops_per_s"], 0)
            self.assertEqual(len(record["workload_digest"]), 16)
            self.assertEqual(len(record["config_hash"]), 16)
            self.assertTrue(record["machine"]["cpu"])
            self.assertTrue(record["machine"]["filesystem"])
            self.assertTrue(record["build"]["compiler"].startswith("gcc"))
            self.assertIn("threads", record["conditions"])
        self.assertIn("drained_s", load)
        return load, run

    def test_every_preset(self):
        presets = [os.path.basename(p)[:-5] for p in glob.glob("variants/presets/*.toml")]
        self.assertGreaterEqual(len(presets), 2)
        digests = set()
        for preset in presets:
            out = self.path(preset)
            text = self.good("bench", "--preset", preset, "--workload", "workloads/ycsb/workloada",
                             "--out", out, *SMALL)  # fmt: skip
            for word in ("ops/s", "read", "update", "insert", "p99", "amplification"):
                self.assertIn(word, text)
            load, run = self.check_records(out, "lsmlab")
            self.assertGreater(load["counters"]["flushes"], 0)
            self.assertGreater(load["write_amplification"], 0.5)
            self.assertGreater(load["space_amplification"], 0.3)
            self.assertGreater(run["counters"]["gets"], 0)
            digests.add((load["workload_digest"], run["workload_digest"]))
        self.assertEqual(len(digests), 1, "the stream must not depend on the composition")

    def test_every_peer(self):
        for engine in ("null", "rocksdb"):
            out = self.path(engine)
            self.good("bench", "--engine", engine, "--out", out, *SMALL)
            self.check_records(out, engine)

    def test_wrong_answers_are_no_figures(self):
        db, out = self.path("db"), self.path("out")
        self.good("bench", "--db", db, "--load-only", *SMALL)
        for letter in ("c", "e"):
            self.bad(1, "bench", "--db", db, "--run-only", "--workload", "ycsb-" + letter, "--out", out,
                     *SMALL, "-p", "recordcount=4000",
                     says=["answered wrongly", "read" if letter == "c" else "scan", "did not find it"])
        for run in self.records(out):
            self.assertFalse(run["complete"])
            self.assertGreater(run["ops_failed"], 0)
            self.assertIn("answered wrongly", run["error"])

    def test_wrong_answers_to_binary_keys_are_told_as_text(self):
        db, out = self.path("db"), self.path("out")
        binary = ["--db", db, *SMALL, "-p", "lsmlab.keyformat=binary16"]
        self.good("bench", *binary, "--load-only")
        self.bad(1, "bench", *binary, "--run-only", "--out", out, "-p", "recordcount=4000",
                 says=[" of key number "])  # fmt: skip
        self.assertIn(" of key number ", self.records(out)[0]["error"])

    def test_what_is_lost_on_purpose_is_not_wrong(self):
        forgets = ["engine.compaction.variant=fifo", "engine.compaction.max_size=512KiB"]
        for name, more in (("fifo", [word for text in forgets for word in ("--set", text)]),
                           ("deletes", ["-p", "lsmlab.deleteproportion=0.5"]),
                           ("null", ["--engine", "null", "-p", "lsmlab.readmissing=0.5"])):  # fmt: skip
            out = self.path(name)
            self.good("bench", "--out", out, *SMALL, *more)
            _, run = self.records(out)
            self.assertEqual(run["ops_failed"], 0)
            self.assertEqual(run["not_found"] > 0, name != "null")

    def test_a_name_of_any_length_is_shown(self):
        text = self.good("bench", *SMALL, *["--set", "engine.cache.bytes=1MiB"] * 40)
        self.assertTrue(text.splitlines()[0].endswith(" workloada load"), text)

    def test_figures_of_rocksdb_mean_what_ours_do(self):
        out = self.path("rocksdb")
        text = self.good("bench", "--engine", "rocksdb", "--set", "peers.rocksdb.statistics=true",
                         "--set", "engine.wal.sync=every", "--out", out, *SMALL,
                         "-p", "recordcount=500")  # fmt: skip
        self.assertIn("slowed not counted", text)
        load, run = self.records(out)
        counters = load["counters"]
        flushed = [e["bytes_out"] for e in load["events"] if e["kind"] == "flush"]
        self.assertEqual(len(flushed), counters["flushes"])
        self.assertEqual(sum(flushed), counters["flush_bytes"])
        self.assertEqual(counters["wal_syncs"], 500)
        for name in ("fsyncs", "slowdowns", "slowdown_ns", "user_bytes_written"):
            self.assertNotIn(name, counters)
            self.assertNotIn(name, run["counters"])

    def test_fio_drives_itself(self):
        out = self.path("fio")
        self.good("bench", "--engine", "fio", "--set", "driver.threads=2", "--set", "driver.depth=4",
                  "--out", out, *SMALL)  # fmt: skip
        load, run = self.records(out)
        self.assertEqual(load["events"][0]["kind"], "flush")
        self.assertGreater(load["events"][0]["bytes_out"], 2_000_000)
        self.assertEqual(run["ops"], 2000)
        self.assertEqual(run["latency_ns"]["read"]["count"], 2000)
        self.assertEqual(run["read_amplification"], 1)

    def test_everything_is_compacted_beside_a_run(self):
        compactions = {}
        for what in ("none", "compact"):
            out = self.path("beside-" + what)
            self.good("bench", "--set", "driver.background=" + what, "--workload", "ycsb-c",
                      "--set", "engine.executor.variant=reactor", "--out", out, *SMALL)  # fmt: skip
            compactions[what] = self.records(out)[1]["counters"]["compactions"]
        self.assertEqual(compactions["none"], 0)
        self.assertGreater(compactions["compact"], 0)

    def test_rocksdb_drains_where_nothing_compacts(self):
        out = self.path("rocksdb-none")
        self.good("bench", "--engine", "rocksdb", "--set", "engine.compaction.variant=none",
                  "--set", "engine.memtable.size=1MiB", "--out", out, *SMALL,
                  "-p", "recordcount=10000")  # fmt: skip
        load, _ = self.records(out)
        self.assertEqual(load["counters"]["compactions"], 0)
        self.assertGreater(load["levels"][0]["tables"], 4)

    def test_depth(self):
        for io in ("posix", "uring"):
            out = self.path("depth-" + io)
            self.good("bench", "--set", "driver.depth=8", "--set", "driver.threads=2",
                      "--set", "engine.io.variant=" + io, "--set", "engine.io.direct=all",
                      "--set", "engine.memtable.size=64KiB", "--set", "engine.cache.bytes=256KiB",
                      "--set", "engine.executor.variant=threads",
                      *(["--set", "engine.io.fallback=posix"] if io == "uring" else []),
                      "--out", out, *SMALL)  # fmt: skip
            _, run = self.check_records(out, "lsmlab")
            self.assertEqual((run["conditions"]["threads"], run["conditions"]["depth"]), ("2", "8"))
            self.assertGreater(run["counters"]["block_reads"], 0)

    def test_shards(self):
        for partitioner, skip in (("hash", []), ("first-byte", ["--set", "engine.partitioner.skip_bytes=4"])):
            out = self.path("shards-" + partitioner)
            text = self.good("bench", "--set", "engine.partitioner.variant=" + partitioner, *skip,
                             "--set", "engine.partitioner.shards=3", "--out", out, *SMALL)  # fmt: skip
            self.assertIn("shards: 3, the largest holds", text)
            _, run = self.check_records(out, "lsmlab")
            self.assertEqual(run["counters"]["shards"], 3)
            self.assertLess(run["counters"]["shard_imbalance"], 1.5)

    def test_scans_and_threads(self):
        for engine in ("null", "rocksdb", "lsmlab"):
            out = self.path("e-" + engine)
            self.good("bench", "--engine", engine, "--workload", "ycsb-e", "--threads", "2",
                      "--warmup", "read-all" if engine == "null" else "scan",
                      "--out", out, *SMALL)  # fmt: skip
            _, run = self.records(out)
            self.assertGreater(run["latency_ns"]["scan"]["count"], 1500)
            self.assertEqual(run["conditions"]["threads"], "2")

    def test_a_sharded_store_is_looked_at_as_it_is(self):
        sharded = {"hash": ["engine.partitioner.shards=3"],
                   "first-byte": ["engine.partitioner.shards=2",
                                  "engine.partitioner.skip_bytes=4"]}  # fmt: skip
        for variant, settings in sharded.items():
            db = self.path("db-" + variant)
            sets = ["engine.partitioner.variant=" + variant, *settings]
            self.good("bench", "--db", db, *SMALL, "--load-only",
                      *(word for text in sets for word in ("--set", text)))  # fmt: skip
            self.assertIn("ok", self.good("store", "verify", db))
            self.assertIn("user", self.good("store", "scan", db))

    def test_load_then_run_then_look(self):
        for engine in ("lsmlab", "rocksdb"):
            db = self.path("db-" + engine)
            common = ["bench", "--engine", engine, "--db", db, *SMALL]
            self.good(*common, "--load-only")
            self.assertIn("2000 ops", self.good(*common, "--run-only"))
        db = self.path("db-lsmlab")
        before = self.listing(db)
        self.assertIn("ok", self.good("store", "verify", db))
        self.assertIn("tables", self.good("store", "stats", db))
        self.assertIn("entries", self.good("store", "dump", db))
        lines = self.good("store", "scan", db, "--count", "3").splitlines()
        self.assertEqual(len(lines), 3)
        key = lines[0].split(" = ")[0]
        self.assertTrue(self.good("store", "get", db, "--key", key).strip())
        self.bad(1, "store", "get", db, "--key", "nobody", says=["nobody"])
        self.assertEqual(self.listing(db), before, "looking must change nothing")

    def test_nothing_is_left_behind(self):
        before = set(glob.glob("/var/tmp/lsmlab-bench-*"))
        self.good("bench", *SMALL)
        self.assertEqual(set(glob.glob("/var/tmp/lsmlab-bench-*")), before)

    def test_every_command_has_help_with_an_example(self):
        overview = self.good("--help")
        for command in ("run", "bench", "report", "variants", "workloads", "store"):
            self.assertIn(command, overview)
            self.assertIn("example: lsmlab " + command, self.good(command, "--help"))
        listing = self.good("variants")
        for word in ("arena-skiplist", "blocked-bloom", "swizzled", "block.layout", "fast"):
            self.assertIn(word, listing)
        self.assertIn("workloads/ycsb/workloadf", self.good("workloads"))


if __name__ == "__main__":
    main()
