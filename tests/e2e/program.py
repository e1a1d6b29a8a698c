"""What the tests of the program share: starting it, reading its records, a fresh directory each."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/lsmlab"
SMALL = ["-p", "recordcount=2000", "-p", "operationcount=2000",
         "--set", "engine.memtable.size=256KiB"]  # fmt: skip


class ProgramTest(unittest.TestCase):
    """A test with a directory of its own in self.dir."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="lsmlab-e2e-", dir="/var/tmp")
        self.addCleanup(holder.cleanup)
        self.dir = holder.name

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def call(self, *arguments, timeout=120):
        """Runs the program; returns (exit code, stdout, stderr)."""
        done = subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def good(self, *arguments, timeout=120):
        code, out, err = self.call(*arguments, timeout=timeout)
        self.assertEqual(code, 0, f"{arguments}\n{out}\n{err}")
        return out

    def bad(self, code, *arguments, says=()):
        """One clear line on stderr, the right exit code, and everything in `says` in the line."""
        got, out, err = self.call(*arguments)
        self.assertEqual(got, code, f"{arguments}\n{out}\n{err}")
        self.assertEqual(len(err.strip().splitlines()), 1, f"{arguments}\n{err}")
        self.assertTrue(err.startswith("lsmlab: "), err)
        for word in says:
            self.assertIn(word, err)
        return err

    def records(self, directory):
        with open(os.path.join(directory, "records.ndjson"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def listing(self, directory):
        """Every file below with its bytes: what must not change. A lock names its last holder."""
        found = {}
        for root, _, files in os.walk(directory):
            for name in set(files) - {"LOCK"}:
                path = os.path.join(root, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, directory)] = file.read()
        return found


def main():
    unittest.main()
