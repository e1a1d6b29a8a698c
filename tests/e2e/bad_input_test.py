"""Every family of bad input: one clear line, the right exit code, nothing changed on disk."""

import glob
import os
import resource
import shutil
import signal
import subprocess
import time

from program import PROGRAM, SMALL, ProgramTest, main


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def flip(path):
    """One bit in the middle."""
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))


class UsageTest(ProgramTest):
    """Mistakes of the person: exit code 2."""

    def test_commands_and_options(self):
        self.bad(2, "bnch", says=["bnch", "did you mean 'bench'?"])
        self.bad(2, "bench", "--presett", "fast", says=["--presett", "did you mean 'preset'?"])
        self.bad(2, "bench", "extra", says=["extra"])
        self.bad(2, "run", says=["EXPERIMENT.toml"])
        self.bad(2, "run", "", says=["run: ''", "EXPERIMENT.toml"])
        self.bad(2, "store", "stat", self.dir, says=["did you mean 'stats'?"])
        self.bad(2, "variants", "--part", "memtabel", says=["did you mean 'memtable'?"])

    def test_names_and_values(self):
        for arguments, says in [
            (["--preset", "basline"], ["basline", "did you mean 'baseline'?"]),
            (["--preset", "no/such.toml"], ["no/such.toml"]),
            (["--engine", "rocksdbb"], ["did you mean 'rocksdb'?"]),
            (["--workload", "ycsb-x"], ["ycsb-x", "ycsb-a"]),
            (["--set", "engine.memtabel.size=1MiB"], ["memtabel", "did you mean 'memtable'?"]),
            (["--set", "engine.memtable.variant=btre"], ["btre", "did you mean 'btree'?"]),
            (["--set", "engine.memtable.size=99TiB"], ["99TiB", "4GiB"]),
            (["--set", "engine.memtable.size"], ["name=value"]),
            (["--set", "engine.wal.variant=off", "--set", "engine.wal.sync=every"], ["refused"]),
            (["-p", "recordcount=99999999999999999999"], ["recordcount"]),
            (["-p", "readproportion=1.5x"], ["readproportion"]),
            (["-p", "recordcont=5"], ["recordcont", "recordcount"]),
            (["-p", "recordcount=1\n2"], ['recordcount = "1?2"']),
            (["-p", "requestdistribution=" + "x" * 5000], ["xxx..."]),
            (["-p", "fieldlengthdistribution=histogram", "-p", "fieldlengthhistogram=/dev/zero"],
             ["/dev/zero", "16 MiB"]),
            (["--threads", "0"], ["--threads", "1024"]),
            (["--threads", "1000000"], ["--threads", "1024"]),
            (["-p", "threadcount=5000"], ["5000 client threads", "1024"]),
            (["--engine", "rocksdb", "--set", "engine.wal.sync=interval"],
             ["--set: engine.wal.sync: 'interval'", "none, group and every"]),
            (["--set", "driver.depht=2"], ["depht", "did you mean 'depth'?"]),
            (["--set", "driver.background=flush"], ["driver.background", "none|compact"]),
            (["--set", "driver.depth=0"], ["driver.depth", "4096"]),
            (["--set", "driver.depth=2", "--engine", "rocksdb"], ["driver.depth 2", "rocksdb", "is 1"]),
            (["--set", "driver.depth=2", "-p", "target=100"], ["driver.depth 2", "rate", "reactor"]),
            (["--preset", "single-threaded", "--threads", "2"], ["2 client threads", "'inline'", "is 1"]),
            (["--preset", "single-threaded", "--set", "driver.depth=2"], ["driver.depth 2", "is 1"]),
            (["--seed", "-0"], ["--seed"]),
            (["--seed", "10kx"], ["--seed"]),
            (["--load-only", "--run-only"], ["nothing to do"]),
            (["--load-only"], ["--db"]),
            (["--db", ""], ["--db: ''", "DIR"]),
            (["--out", ""], ["--out: ''", "DIR"]),
        ]:  # fmt: skip
            self.bad(2, "bench", *arguments, says=says)

    def test_experiment_files(self):
        self.bad(2, "run", self.path("missing.toml"), says=["missing.toml"])
        self.bad(2, "run", self.dir, says=["not a regular file"])
        self.bad(2, "run", "/dev/zero", says=["not a regular file"])
        huge = self.write("huge.toml", "a = 1\n" * 300000)
        self.bad(2, "run", huge, says=["1 MiB"])
        deep = self.write("deep.toml", "a = " + "[" * 10000)
        start = time.monotonic()
        self.bad(2, "run", deep, says=["deep.toml:1"])
        self.assertLess(time.monotonic() - start, 5)
        bad = self.write("bad.toml", 'question = "q"\nbaze = "baseline"\n')
        self.bad(2, "run", bad, says=["bad.toml:2", "baze", "did you mean 'base'?"])
        self.assertEqual(sorted(os.listdir(self.dir)), ["bad.toml", "deep.toml", "huge.toml"])

    def test_preset_files(self):
        preset = self.write("p.toml", '[engine.memtable]\nvariant = "btree"\nsice = "1MiB"\n')
        self.bad(2, "bench", "--preset", preset, says=["p.toml:3", "did you mean 'size'?"])
        other = self.write("q.toml", 'engin = "x"\n')
        self.bad(2, "bench", "--preset", other, says=["q.toml:1", "did you mean 'engine'?"])


class StoreTest(ProgramTest):
    """What is wrong with a store: exit code 1, and not one byte of it changed."""

    def setUp(self):
        super().setUp()
        self.db = self.path("db")
        self.good("bench", "--db", self.db, "--load-only", *SMALL)

    def refuses(self, *says, at_open=True):
        """A scan of everything and verify fail with one line each that has `says` in it, and with
        `at_open` every other look; none changes a byte."""
        before = self.listing(self.db)
        looks = [["scan", "--count", "100000"], ["verify"]]
        looks += [["stats"], ["dump"], ["get", "--key", "user1"]] if at_open else []
        for action, *options in looks:
            self.bad(1, "store", action, self.db, *options, says=says)
        self.assertEqual(self.listing(self.db), before)

    def table(self):
        tables = [p for p in glob.glob(self.db + "/**", recursive=True)
                  if os.path.isfile(p) and os.path.getsize(p) > 100_000]  # fmt: skip
        return sorted(tables)[0]

    def test_not_a_store(self):
        self.bad(1, "store", "stats", self.path("nowhere"), says=["nowhere"])
        os.mkdir(self.path("empty"))
        self.bad(1, "store", "stats", self.path("empty"), says=["empty"])
        self.write("file", "text")
        self.bad(1, "store", "stats", self.path("file"), says=["file"])
        os.mkdir(self.path("foreign"))
        self.write("foreign/letter.txt", "dear reader")
        for engine in ("lsmlab", "rocksdb"):
            code, _, err = self.call("bench", "--engine", engine, "--db", self.path("foreign"),
                                     *SMALL)  # fmt: skip
            self.assertEqual(code, 1, err)
            self.assertIn("foreign", err)
        self.assertEqual(os.listdir(self.path("foreign")), ["letter.txt"])
        self.assertEqual(os.listdir(self.path("empty")), [])
        self.assertFalse(os.path.exists(self.path("nowhere")))

    def test_a_store_of_another_engine(self):
        other = self.path("other")
        self.good("bench", "--engine", "rocksdb", "--db", other, "--load-only", *SMALL)
        for engine, store, says in (("rocksdb", self.db, "not a RocksDB store"),
                                    ("lsmlab", other, "IDENTITY")):  # fmt: skip
            with self.subTest(engine):
                before = self.listing(store)
                self.bad(1, "bench", "--engine", engine, "--db", store, "--run-only", *SMALL,
                         says=[store, says])  # fmt: skip
                self.assertEqual(self.listing(store), before)

    def test_load_into_a_store_that_is_there(self):
        before = self.listing(self.db)
        os.mkdir(self.path("kept"))
        for out in (self.path("new", "out"), self.path("kept")):
            self.bad(1, "bench", "--db", self.db, "--out", out, *SMALL,
                     says=[self.db, "exists already"])  # fmt: skip
        self.assertEqual(self.listing(self.db), before)
        self.assertEqual(self.call("bench", "--db", self.db, *SMALL)[1], "", "nothing was measured")
        # Nothing was measured, so there are no records and no directory for them.
        self.assertFalse(os.path.exists(self.path("new")))
        self.assertEqual(os.listdir(self.path("kept")), [])

    def test_records_that_cannot_be_written_cost_no_run(self):
        self.write("file", "text")
        self.bad(1, "bench", "--db", self.path("other"), "--out", self.path("file", "out"), *SMALL,
                 says=[self.path("file", "out")])  # fmt: skip
        self.assertFalse(os.path.exists(self.path("other")))

    def test_open_elsewhere(self):
        process = subprocess.Popen(
            [PROGRAM, "bench", "--db", self.db, "--run-only", "-p", "recordcount=2000",
             "-p", "operationcount=0", "--workload", "ycsb-c"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            holder = str(process.pid)
            deadline = time.monotonic() + 30
            while self.read_lock() != holder and time.monotonic() < deadline:
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            # Stopped, it changes nothing itself.
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            before = self.listing(self.db)
            self.bad(1, "bench", "--db", self.db, "--run-only", *SMALL,
                     says=[self.db, "held by process " + holder])  # fmt: skip
            self.assertEqual(self.listing(self.db), before)
            self.assertEqual(self.read_lock(), holder)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            self.assertEqual(process.wait(30), 1)

    def read_lock(self):
        with open(os.path.join(self.db, "LOCK"), encoding="utf-8") as file:
            return file.read().strip()

    def test_truncated_table(self):
        path = self.table()
        cut(path)
        self.refuses(os.path.basename(path))

    def test_flipped_bit(self):
        path = self.table()
        flip(path)
        self.refuses(os.path.basename(path), "expected", at_open=False)

    def test_missing_table(self):
        path = self.table()
        os.remove(path)
        self.refuses(os.path.basename(path))

    def test_damage_beside_the_tables(self):
        shutil.rmtree(self.db)
        # Not drained: the log holds records. Closed: all that was written is known to be whole.
        self.good("bench", "--db", self.db, "--load-only", "--no-drain", *SMALL,
                  "--set", "engine.values.variant=separated",
                  "--set", "engine.values.threshold=512B")  # fmt: skip
        sound = self.path("sound")
        os.rename(self.db, sound)
        for kind, says in [
            ("IDENTITY", "IDENTITY"), ("CURRENT", "CURRENT"), ("*.log", "log"), ("*.val", ".val"),
            ("MANIFEST-*", self.db),  # cut short it is an older one, whose files are gone
        ]:  # fmt: skip
            for harm in (flip, cut, os.remove):
                with self.subTest(kind=kind, harm=harm.__name__):
                    shutil.copytree(sound, self.db)
                    harm(sorted(glob.glob(self.db + "/**/" + kind, recursive=True))[-1])
                    # A value is read, and its checksum checked, only when it is asked for.
                    self.refuses(says, at_open=(kind, harm) != ("*.val", flip))
                shutil.rmtree(self.db)

    def test_threads_that_cannot_be_started(self):
        def limit():  # room for some of the stacks
            _, most = resource.getrlimit(resource.RLIMIT_STACK)
            resource.setrlimit(resource.RLIMIT_STACK, (2**23, most))
            resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))

        done = subprocess.run(
            [PROGRAM, "bench", "--engine", "null", "--threads", "1000", *SMALL],
            capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit,
        )  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"\Alsmlab: only [0-9]+ of 1001 threads .*\n\Z")

    def test_full_disk(self):
        if os.geteuid() != 0 or not shutil.which("mount"):
            self.skipTest("needs a small file system of its own")
        point = self.path("small")
        os.mkdir(point)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", point], capture_output=True, check=False
        )
        if mounted.returncode != 0:
            self.skipTest("may not mount")
        try:
            code, _, err = self.call("bench", "--db", point + "/db", "-p", "recordcount=20000")
            self.assertEqual(code, 1, err)
            self.assertIn("space", err.lower())
        finally:
            subprocess.run(["umount", point], check=True)


if __name__ == "__main__":
    main()
