#include "variants/io/simulated_io.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tests/support/sim_bench.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"

namespace lsmlab {
namespace {

Task<void> WriteMany(Executor& executor, Io& io, IoFile& file, uint64_t base, int count,
                     std::vector<int>& order) {
  for (int i = 0; i < count; ++i) {
    const char byte = static_cast<char>('a' + i);
    const Status status =
        co_await WriteAt(io, IoSite::kWal, file, base + static_cast<uint64_t>(i), &byte, 1);
    EXPECT_TRUE(status.ok());
    order.push_back(static_cast<int>(base) / 100);
    co_await Yield(executor, Priority::kForeground);
  }
}

struct RunResult {
  uint64_t hash;
  std::vector<int> order;
  std::string contents;
};

RunResult Interleaved(int64_t seed) {
  SimulatedOptions options;
  options.defer = true;
  options.seed = static_cast<uint64_t>(seed);
  SimBench b(SimDisk::Make(), options);
  SettingBag bag = DefaultSettings(kInlineExecutor.settings);
  bag.Set("seed", seed);
  auto executor = kInlineExecutor.make(bag);
  auto file = RunSync(*executor, *b.io,
                      OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, std::string("/a")))
                  .value();
  RunResult result;
  for (uint64_t i = 0; i < 4; ++i) {
    executor->Spawn(Priority::kForeground,
                    WriteMany(*executor, *b.io, *file, i * 100, 10, result.order), *b.io);
  }
  executor->Drain(*b.io);
  file.reset();
  result.hash = b.disk->trace_hash();
  result.contents = Read(*b.disk, "/a");
  return result;
}

TEST(SimulatedIo, TheSeedDecidesTheRun) {
  const RunResult one = Interleaved(1), again = Interleaved(1), other = Interleaved(2);
  EXPECT_EQ(one.hash, again.hash);
  EXPECT_EQ(one.order, again.order);
  EXPECT_NE(one.hash, other.hash);
  EXPECT_NE(one.order, other.order);
  EXPECT_EQ(one.contents, other.contents);
  EXPECT_EQ(one.contents.substr(100, 10), "abcdefghij");
}

TEST(SimulatedIo, CountersAreExact) {
  SimBench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, "abcd").ok());
  ASSERT_TRUE(b.WriteDurably(*file, 4, "ef").ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  char bytes[6];
  ASSERT_TRUE(Finish(ReadExactly(*b.io, IoSite::kBlockRead, *file, 0, bytes, 6)).ok());
  SimFault fault;
  b.disk->Arm(fault);
  EXPECT_FALSE(b.Write(*file, 0, "zzzz").ok());
  for (const IoCounters& counters : {b.io->Counters(), b.disk->counters()}) {
    EXPECT_EQ(counters.writes, 2u);
    EXPECT_EQ(counters.write_bytes, 6u);
    EXPECT_EQ(counters.syncs, 3u);
    EXPECT_EQ(counters.reads, 1u);
    EXPECT_EQ(counters.read_bytes, 6u);
  }
  EXPECT_EQ(b.io->Counters(IoSite::kWal).writes, 2u);
}

TEST(SimulatedIo, LatencyIsKept) {
  SimulatedOptions options;
  options.latency_ns = 2'000'000;
  for (bool defer : {false, true}) {
    options.defer = defer;
    SimBench b(SimDisk::Make(), options);
    auto executor = kInlineExecutor.make(DefaultSettings(kInlineExecutor.settings));
    auto file = RunSync(*executor, *b.io,
                        OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, std::string("/a")))
                    .value();
    const int64_t begun = NowNanos();
    EXPECT_TRUE(RunSync(*executor, *b.io, DataSync(*b.io, IoSite::kWal, *file)).ok());
    EXPECT_GE(NowNanos() - begun, 2'000'000);
  }
}

Task<long> ReadMany(Io& io, IoFile& file, int rounds, uint64_t seed) {
  Random random(seed);
  long sum = 0;
  for (int i = 0; i < rounds; ++i) {
    unsigned char byte = 0;
    const Status status =
        co_await ReadExactly(io, IoSite::kBlockRead, file, random.Below(256), &byte, 1);
    EXPECT_TRUE(status.ok());
    sum += byte;
  }
  co_return sum;
}

Task<void> LockedReads(Io& io, IoFile& file, AsyncMutex& mutex, long& count, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    co_await mutex.Lock();
    ++count;
    unsigned char byte = 0;
    const Status status = co_await ReadExactly(io, IoSite::kBlockRead, file, 7, &byte, 1);
    EXPECT_TRUE(status.ok());
    mutex.Unlock();
  }
}

// Threads that wait for a deferring Io and for each other's locks at once: each may complete the
// other's reads, and a wake-up of a thread inside Poll comes from outside. A lost one hangs.
TEST(SimulatedIo, ManyThreadsShareADeferringIo) {
  for (int64_t latency : {int64_t{0}, int64_t{20'000}}) {
    SimulatedOptions options;
    options.defer = true;
    options.latency_ns = latency;
    SimBench b(SimDisk::Make(), options);
    SettingBag bag = DefaultSettings(kThreadsExecutor.settings);
    auto executor = kThreadsExecutor.make(bag);
    auto file = RunSync(*executor, *b.io,
                        OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, std::string("/a")))
                    .value();
    std::string bytes(256, '\1');
    ASSERT_TRUE(RunSync(*executor, *b.io,
                        WriteAt(*b.io, IoSite::kWal, *file, 0, bytes.data(), bytes.size()))
                    .ok());
    const int rounds = latency == 0 ? 3'000 : 500;
    AsyncMutex mutex;
    long count = 0;
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        EXPECT_EQ(RunSync(*executor, *b.io, ReadMany(*b.io, *file, rounds, i)), rounds);
        RunSync(*executor, *b.io, LockedReads(*b.io, *file, mutex, count, rounds));
      });
    }
    for (int i = 0; i < 2; ++i) {
      executor->Spawn(Priority::kCompaction, LockedReads(*b.io, *file, mutex, count, rounds),
                      *b.io);
    }
    for (std::thread& thread : threads) thread.join();
    executor->Drain(*b.io);
    EXPECT_EQ(count, 6L * rounds);
  }
}

// A deferring Io with latency, a file of 256 bytes 1 and threads to read it.
struct SlowDevice {
  explicit SlowDevice(int64_t latency_ns) : bench(SimDisk::Make(), Slow(latency_ns)) {
    executor = kThreadsExecutor.make(DefaultSettings(kThreadsExecutor.settings));
    file = Run(OpenFile(*bench.io, IoSite::kOther, OpenMode::kCreate, "/a")).value();
    const std::string bytes(256, '\1');
    EXPECT_TRUE(Run(WriteAt(*bench.io, IoSite::kWal, *file, 0, bytes.data(), 256)).ok());
  }
  static SimulatedOptions Slow(int64_t latency_ns) {
    SimulatedOptions options;
    options.defer = true;
    options.latency_ns = latency_ns;
    return options;
  }
  template <typename T>
  T Run(Task<T> task) {
    return RunSync(*executor, *bench.io, std::move(task));
  }
  SimBench bench;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<IoFile> file;
};

// Whoever wakes first completes the reads of others that are due; its own comes later.
TEST(SimulatedIo, WhoCompletesForOthersWaitsOnForItself) {
  SlowDevice device(5'000'000);
  for (int round = 0; round < 15; ++round) {
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 8; ++i) {
      threads.emplace_back([&device, i] {
        std::this_thread::sleep_for(std::chrono::microseconds(400 * i));
        EXPECT_EQ(device.Run(ReadMany(*device.bench.io, *device.file, 1, i)), 1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

Task<void> WaitFor(AsyncEvent& event, std::atomic<bool>& set) {
  for (;;) {
    const uint64_t ticket = event.Ticket();
    if (set) co_return;
    co_await event.Wait(ticket);
  }
}

// A thread that waits inside Poll, because of a read of another thread, is woken by an event.
TEST(SimulatedIo, PollIsLeftForWhatIsReady) {
  SlowDevice device(1'500'000'000);
  std::atomic<bool> set{false};
  AsyncEvent event;
  const uint64_t before = device.bench.disk->steps();
  std::thread reader(
      [&] { EXPECT_EQ(device.Run(ReadMany(*device.bench.io, *device.file, 1, 1)), 1); });
  std::thread waiter([&] {
    device.Run(WaitFor(event, set));
    EXPECT_EQ(device.bench.disk->steps(), before) << "woken only by the end of the other's read";
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  set = true;
  event.Notify();
  waiter.join();
  reader.join();
}

// More than the callers' turns take.
constexpr int kBackgroundReads = 1000;

Task<void> ReadInBackground(Io& io, IoFile& file, long& sum) {
  for (int i = 0; i < kBackgroundReads; ++i) sum += co_await ReadMany(io, file, 1, 3);
}

Task<long> YieldAndRead(Executor& executor, Io& io, IoFile& file) {
  co_await Yield(executor, Priority::kForeground);
  const long sum = co_await ReadMany(io, file, 2, 4);
  co_return sum;
}

// A background task that waits for I/O when its thread's turn ends is taken on by the next thread.
TEST(SimulatedIo, InlineBackgroundWorkMovesBetweenThreads) {
  SlowDevice device(0);
  auto executor = kInlineExecutor.make(DefaultSettings(kInlineExecutor.settings));
  long sum = 0;
  executor->Spawn(Priority::kCompaction, ReadInBackground(*device.bench.io, *device.file, sum),
                  *device.bench.io);
  std::atomic<int> turn{0};
  std::vector<std::thread> threads;
  for (int me = 0; me < 3; ++me) {
    threads.emplace_back([&, me] {
      while (turn.load() != me) std::this_thread::yield();
      Io& io = *device.bench.io;
      EXPECT_EQ(RunSync(*executor, io, YieldAndRead(*executor, io, *device.file)), 2);
      turn.store(me + 1);
      while (turn.load() != 4) std::this_thread::yield();  // its loop stays its own
    });
  }
  while (turn.load() != 3) std::this_thread::yield();
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum, kBackgroundReads);
  executor->Drain(*device.bench.io);
  EXPECT_EQ(sum, kBackgroundReads);
  turn.store(4);
  for (std::thread& thread : threads) thread.join();
}

TEST(SimulatedIo, RegistryRowMakesAPrivateDisk) {
  auto io = kSimulatedIo.make(DefaultSettings(kSimulatedIo.settings)).value();
  EXPECT_FALSE(io->defers());
  ASSERT_TRUE(Finish(MakeDirectory(*io, IoSite::kOther, "/tmp/run/db")).ok());
  EXPECT_TRUE(Finish(OpenFile(*io, IoSite::kOther, OpenMode::kCreate, "/tmp/run/db/x")).ok());
  auto other = kSimulatedIo.make(DefaultSettings(kSimulatedIo.settings)).value();
  EXPECT_TRUE(Finish(ListDirectory(*other, IoSite::kOther, "/tmp")).status().IsNotFound());
}

}  // namespace
}  // namespace lsmlab
