// What an operation costs before it reaches a store: all of it is added to every measured latency
// budget, so it has to stay far below a memtable read. Run: workloads_bench
#include <benchmark/benchmark.h>

#include "engine/base/histogram.h"
#include "engine/base/random.h"
#include "workloads/workload.h"

namespace lsmlab::workloads {
namespace {

std::unique_ptr<Workload> Open(const char* letter, Overrides overrides) {
  overrides.emplace_back("recordcount", "10000000");
  overrides.emplace_back("operationcount", "100000000");
  return OpenWorkload(std::string("workloads/ycsb/workload") + letter, overrides).value();
}

void Pull(benchmark::State& state, OpStream& stream) {
  Operation op;
  for (auto _ : state) {
    benchmark::DoNotOptimize(stream.Next(&op));
    benchmark::DoNotOptimize(op.key.data());
    if (op.kind == OpKind::kInsert) stream.Acknowledge(op.key_number);
  }
}

void RunPhase(benchmark::State& state, const char* letter, const Overrides& overrides) {
  const auto workload = Open(letter, overrides);
  const auto stream = workload->NewRunStream({.seed = 1}).value();
  Pull(state, *stream);
}

void LoadPhase(benchmark::State& state) {
  const auto workload =
      OpenWorkload("workloads/ycsb/workloada", {{"recordcount", "1000000000000"}}).value();
  const auto stream = workload->NewLoadStream({.seed = 1}).value();
  Pull(state, *stream);
}

void HistogramRecord(benchmark::State& state) {
  Histogram histogram;
  Random random(1);
  for (auto _ : state) histogram.Record(random.Next() >> 44);
}

BENCHMARK(LoadPhase);
BENCHMARK_CAPTURE(RunPhase, a, "a", {});
BENCHMARK_CAPTURE(RunPhase, b, "b", {});
BENCHMARK_CAPTURE(RunPhase, c, "c", {});
BENCHMARK_CAPTURE(RunPhase, d, "d", {});
BENCHMARK_CAPTURE(RunPhase, e, "e", {});
BENCHMARK_CAPTURE(RunPhase, f, "f", {});
BENCHMARK_CAPTURE(RunPhase, c_uniform, "c", {{"requestdistribution", "uniform"}});
BENCHMARK_CAPTURE(RunPhase, c_exponent_0_7, "c", {{"lsmlab.zipfianconstant", "0.7"}});
BENCHMARK_CAPTURE(RunPhase, c_binary16, "c", {{"lsmlab.keyformat", "binary16"}});
BENCHMARK(HistogramRecord);

}  // namespace
}  // namespace lsmlab::workloads

BENCHMARK_MAIN();
