"""`lsmlab simulate`: what it prints and writes, and what it says of bad options."""

import json
import os

from program import ProgramTest, main

SMALL = ["simulate", "--user-bytes", "4GiB", "--set", "engine.memtable.size=4MiB",
         "--set", "engine.compaction.file_size=4MiB", "--set", "engine.compaction.level1_size=16MiB"]  # fmt: skip


class SimulateTest(ProgramTest):
    def test_prints_writes_and_draws(self):
        out = self.path("out")
        text = self.good(*SMALL, "--load", "--key-space", "1e6", "--distribution", "zipfian:0.99",
                         "--write-rate", "50MB", "--device-write-bandwidth", "400MB",
                         "--samples", "20", "--out", out)  # fmt: skip
        for word in ("load, drained", "write, drained", "amplification: write", "runs per seek",
                     "stalls: writers slowed", "over time", "L2"):  # fmt: skip
            self.assertIn(word, text)
        with open(os.path.join(out, "simulation.ndjson"), encoding="utf-8") as file:
            head, *samples = [json.loads(line) for line in file]
        self.assertEqual(head["simulation"], 1)
        self.assertEqual(head["keys"], 1e6)
        self.assertGreaterEqual(len(samples), 20)
        written = [sample["user_bytes"] for sample in samples]
        self.assertEqual(written, sorted(written))
        self.assertTrue(samples[-1]["drained"])
        self.assertAlmostEqual(written[-1], 4 * 2**30 + 1024e6, delta=2048)
        for end in ("svg", "png"):
            self.assertGreater(os.path.getsize(os.path.join(out, "plots", "simulation." + end)), 5000)

    def test_a_hundred_terabytes(self):
        text = self.good("simulate", "--user-bytes", "100TB",
                         "--set", "engine.compaction.variant=tiered")  # fmt: skip
        self.assertIn("in two pieces", text)
        self.assertIn("write, drained", text)

    def test_same_seed_same_figures(self):
        texts = [self.good(*SMALL, "--seed", seed).split("\n") for seed in ("1", "1", "2")]
        first, again, other = ([t for t in text if "simulated in" not in t] for text in texts)
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_bad_options(self):
        for arguments, says in [
            (["--user-bytes", "12parsecs"], ["--user-bytes", "12parsecs", "KiB"]),
            (["--user-bytes", "0"], ["nothing to do"]),
            (["--distribution", "zipfian"], ["--distribution", "zipfian:THETA"]),
            (["--distribution", "zipfian:7"], ["zipfian", "'7'", "0.01 to 3"]),
            (["--delete-share", "1.5"], ["--delete-share", "0 to 1"]),
            (["--entry-bytes", "10"], ["--entry-bytes", "--key-bytes"]),
            (["--samples", "1"], ["--samples", "10000"]),
            (["--preset", "basline"], ["did you mean 'baseline'?"]),
            (["--set", "engine.compaction.variant=tierd"], ["did you mean 'tiered'?"]),
            (["--key-spase", "5"], ["did you mean 'key-space'?"]),
        ]:  # fmt: skip
            self.bad(2, "simulate", *arguments, says=says)
        self.bad(1, "simulate", "--user-bytes", "100TB", "--set", "engine.compaction.max_levels=3",
                 says=["--table-limit"])  # fmt: skip


if __name__ == "__main__":
    main()
