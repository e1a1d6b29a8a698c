"""Synthetic records with realistic figures, for the tests of the results package."""

import json
import math
import random
from pathlib import Path

VARIANTS = {  # name -> (speed against the base, write amplification)
    "baseline": (1.00, 9.8),
    "baseline-again": (1.00, 9.8),
    "memtable=btree": (1.17, 9.7),
    "filter=blocked-bloom": (1.09, 9.8),
    "codec=zstd,codec.level=6": (0.74, 5.1),
    "compaction=tiered,compaction.runs=8": (1.42, 3.9),
    "values=separated,values.threshold=512B,values.gc=lazy": (1.88, 2.4),
    "cache=s3fifo,cache.bytes=64MiB": (1.04, 9.8),
    "rocksdb": (0.62, 11.2),
}
WORKLOADS = {
    "workloada": {"read": 0.5, "update": 0.5},
    "workloadb": {"read": 0.95, "update": 0.05},
    "workloade": {"scan": 0.95, "insert": 0.05},
}


def latency(rng: random.Random, median_ns: float, count: int) -> dict:
    """Percentiles of a heavy-tailed latency, in order."""
    steps = {"min": 0.4, "p50": 1, "p90": 2.1, "p95": 3.0, "p99": 7.5, "p999": 60, "p9999": 900, "max": 4000}
    wobble = math.exp(rng.gauss(0, 0.04))
    figures = {name: median_ns * factor * wobble for name, factor in steps.items()}
    return {"count": count, "mean": 1.8 * median_ns, **figures}


def series(rng: random.Random, rate: float, seconds: int, stalls: list[dict]) -> list[dict]:
    """Throughput per second, down during stalls."""
    points = []
    for t in range(1, seconds + 1):
        held = any(s["t_s"] <= t <= s["t_s"] + s["duration_s"] + 0.5 for s in stalls)
        value = rate * (0.25 if held else 1) * (1 + 0.08 * math.sin(t / 4) + rng.gauss(0, 0.05))
        points.append({"t_s": t, "ops": int(value), "ops_per_s": max(value, 0.0)})
    return points


def events(rng: random.Random, seconds: int, amplification: float) -> list[dict]:
    """Flushes every few seconds, compactions in proportion to the amplification, a few stalls."""
    found = [{"t_s": t + rng.random(), "duration_s": 0.15, "kind": "flush", "bytes_out": 16 << 20, "level": 0}
             for t in range(1, seconds, 3)]  # fmt: skip
    for t in range(2, seconds, 5):
        length = 0.3 * amplification * rng.random()
        found.append({"t_s": t + rng.random(), "duration_s": length, "kind": "compaction", "level": 1})
    if amplification > 4:
        found += [{"t_s": t, "duration_s": 1.2, "kind": "stall", "cause": "l0 files"} for t in (17, 41)]
    return found


def record(
    variant: str, workload: str, block: int, phase: str = "run", /, **changes: object
) -> dict:
    """One complete record; `changes` replace fields, a value of None removes one."""
    speed, amplification = VARIANTS.get(variant, (1.0, 9.0))
    rng = random.Random(f"{variant}/{workload}/{block}/{phase}")
    seconds = 60
    rate = {"workloada": 92e3, "workloadb": 148e3, "workloade": 21e3}.get(workload, 50e3)
    rate *= speed * math.exp(rng.gauss(0, 0.03)) * (1 + 0.04 * block)
    happened = events(rng, seconds, amplification)
    stalls = [e for e in happened if e["kind"] == "stall"]
    ops = int(rate * seconds)
    shares = WORKLOADS.get(workload, {"read": 1.0})
    codec = "zstd" if "zstd" in variant else "none"
    made = {
        "schema": 1, "experiment": "parts", "question": "Which part buys most on a small machine?",
        "base": "baseline", "variant": variant, "cell": {}, "workload": workload, "phase": phase,
        "engine": "rocksdb" if variant == "rocksdb" else "lsmlab", "block": block, "order": 0,
        "seed": 42 + block, "complete": True, "ops": ops, "ops_failed": 0, "elapsed_s": seconds,
        "ops_per_s": ops / seconds, "series": series(rng, rate, seconds, stalls),
        "events": happened,
        "latency_ns": {k: latency(rng, (900 if k != "scan" else 35e3) / speed, int(ops * s)) for k, s in shares.items()},
        "levels": [{"level": i, "tables": 2 + 6 * i * i, "bytes": int((4 << 20) * 6**i / speed), "runs": 1} for i in range(4)],
        "counters": {"compactions": round(12 * amplification), "filter_probes": 0 if workload == "workloade" else ops // 2,
                     "cache_hits": int(ops * 0.8), "cache_misses": int(ops * 0.2 / speed)},
        "write_amplification": amplification * (1 + rng.gauss(0, 0.01)),
        "read_amplification": 1.3 / speed, "space_amplification": 1.1 + 0.1 * speed,
        "idle_parts": ["filter"] if workload == "workloade" else [],
        "memory_capped": True, "workload_digest": f"{block:016x}", "workload_standard": True,
        "conditions": {"durability": "wal, no sync", "cache_bytes": 8 << 20, "compression": codec, "threads": 1},
        "config": {"engine.codec.variant": codec},
        "config_hash": f"hash of {variant.removesuffix('-again')}", "revision": "0123abcd", "dirty": False,
        "build": {"compiler": "gcc 12.2.0", "flags": "-O3", "type": "Release", "sanitizer": "none"},
        "machine": {"cpu": "Example CPU", "cores": 2, "memory_bytes": 8 << 30, "kernel": "6.1.0", "filesystem": "ext4",
                    "disk": "nvme", "write_cache": "write back"},
        "started_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def experiment(blocks: int = 3, **changes: object) -> list[dict]:
    """All variants on all workloads, interleaved by block."""
    return [record(v, w, b, **changes) for b in range(blocks) for w in WORKLOADS for v in VARIANTS]


def write(directory: Path, records: list[dict]) -> Path:
    """Writes records.ndjson into `directory` and returns the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(r) + "\n" for r in records)
    (directory / "records.ndjson").write_text(lines, encoding="utf-8")
    return directory
