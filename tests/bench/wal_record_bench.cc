#include <benchmark/benchmark.h>

#include <string>

#include "engine/format/wal_record.h"

namespace lsmlab {
namespace {

// One record per iteration; the buffer starts anew every 256 records, as group by group.
void EncodeRecord(benchmark::State& state) {
  const std::string payload(static_cast<size_t>(state.range(0)), 'v');
  WalRecordEncoder encoder;
  uint64_t dense = 0;
  for (auto _ : state) {
    if (dense % 256 == 0) encoder.Begin(WalIdentity(), dense);
    encoder.BeginRecord(dense, dense);
    encoder.buffer().append(payload);
    encoder.EndRecord();
    ++dense;
  }
  benchmark::DoNotOptimize(encoder.bytes().data());
  state.SetBytesProcessed(static_cast<int64_t>(dense) * state.range(0));
}
BENCHMARK(EncodeRecord)->Arg(100)->Arg(1024)->Arg(64 << 10)->Arg(4 << 20);

}  // namespace
}  // namespace lsmlab

BENCHMARK_MAIN();
