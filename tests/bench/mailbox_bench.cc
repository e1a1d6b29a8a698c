// What a call from one busy event loop to another and back costs: one after the other, and sixteen
// under way together (the time is per call). Both loops look around instead of sleeping.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <future>
#include <string_view>
#include <vector>

#include "engine/parts/executor.h"
#include "engine/parts/mailboxes.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"

namespace lsmlab {
namespace {

int64_t calls_in_all = 160'000;

Task<int> Nothing() { co_return 1; }

Task<void> Call(Executor& executor, Io& io, int64_t calls) {
  for (int64_t i = 0; i < calls; ++i) {
    const int answer = co_await CallOn(*executor.mailboxes(), 1, io, Nothing());
    benchmark::DoNotOptimize(answer);
  }
}

Task<void> CallTogether(Executor& executor, Io& io, int64_t calls, int64_t together,
                        std::promise<void>& done) {
  std::vector<Task<void>> tasks;
  for (int64_t i = 0; i < together; ++i) tasks.push_back(Call(executor, io, calls / together));
  for (Task<void>& task : tasks) task.Start();
  for (Task<void>& task : tasks) co_await task.Join();
  done.set_value();
}

void RoundTrip(benchmark::State& state) {
  const auto io = kPosixIo.make(DefaultSettings(kPosixIo.settings)).value();
  SettingBag bag = DefaultSettings(kReactorExecutor.settings);
  bag.Set("loops", int64_t{2});
  bag.Set("spin", int64_t{1'000'000'000});
  const auto executor = kReactorExecutor.make(bag);
  for (auto _ : state) {
    std::promise<void> done;
    executor->SpawnOn(0, Priority::kForeground,
                      CallTogether(*executor, *io, calls_in_all, state.range(0), done), *io);
    done.get_future().wait();
  }
  state.counters["per_call"] =
      benchmark::Counter(static_cast<double>(state.iterations() * calls_in_all),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(RoundTrip)->Arg(1)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lsmlab

// --calls=N: calls of one iteration, 160,000 unless said; few for a smoke test.
int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (!std::string_view(argv[i]).starts_with("--calls=")) return 2;
    lsmlab::calls_in_all = std::strtoll(argv[i] + 8, nullptr, 10);
    if (lsmlab::calls_in_all < 16) return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
