#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "engine/base/random.h"
#include "harness/driver/op_executor.h"
#include "harness/driver/phase.h"
#include "harness/driver/tick_clock.h"
#include "harness/record/json.h"
#include "harness/run/files.h"
#include "harness/run/idle_parts.h"
#include "harness/run/run_store.h"
#include "harness/run/touch_memory.h"
#include "workloads/ycsb/record.h"

namespace lsmlab::harness {
namespace {

using workloads::Operation;
using workloads::OpKind;

// A store in a map that counts what it is asked.
class MapStore final : public StoreAdapter {
 public:
  class Session final : public StoreSession {
   public:
    explicit Session(MapStore& store) : store_(store) {}
    Outcome Get(Slice key, Slice* value) override {
      std::this_thread::sleep_for(store_.answers_in);
      const std::lock_guard lock(store_.mutex);
      ++store_.gets;
      const auto found = store_.map.find(std::string(key));
      if (found == store_.map.end()) {
        return store_.finds_everything ? Outcome::kDone : Outcome::kNotFound;
      }
      copy_ = found->second;
      *value = copy_;
      return Outcome::kDone;
    }
    Outcome Put(Slice key, Slice value) override {
      const std::lock_guard lock(store_.mutex);
      if (store_.puts++ == store_.fail_at) return Fail(Status::IoError("the disk is gone"));
      store_.map[std::string(key)] = value;
      return Outcome::kDone;
    }
    Outcome Delete(Slice key) override {
      const std::lock_guard lock(store_.mutex);
      store_.map.erase(std::string(key));
      return Outcome::kDone;
    }
    Outcome Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) override {
      const std::lock_guard lock(store_.mutex);
      store_.scanned += count;
      return store_.map.contains(std::string(key)) ? Outcome::kDone : Outcome::kNotFound;
    }

   private:
    MapStore& store_;
    std::string copy_;
  };

  // Every call waits, and the waits of a thread end in a drawn order.
  class Async final : public AsyncSession {
   public:
    explicit Async(MapStore& store) : store_(store), session_(store) {}
    Task<Outcome> Get(Slice key, std::string* value) override {
      co_await Wait(*this);
      Slice found;
      const Outcome outcome = session_.Get(key, &found);
      value->assign(found);
      co_return outcome;
    }
    Task<Outcome> Put(Slice key, Slice value) override {
      co_await Wait(*this);
      const Outcome outcome = session_.Put(key, value);
      if (outcome == Outcome::kFailed) co_return Fail(session_.error());
      co_return outcome;
    }
    Task<Outcome> Delete(Slice key) override {
      co_await Wait(*this);
      co_return session_.Delete(key);
    }
    Task<Outcome> Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) override {
      co_await Wait(*this);
      co_return session_.Scan(key, end, count, sum);
    }
    Task<void> Pause(int64_t nanos) override {
      EXPECT_GT(nanos, 0);
      ++store_.pauses;
      co_await Wait(*this);
    }
    void Run(std::vector<Task<void>>& tasks) override {
      for (Task<void>& task : tasks) task.Start();
      while (RunLoop::Current().RunReady() || !waiting_.empty()) {
        if (waiting_.empty()) continue;
        deepest_ = std::max(deepest_, waiting_.size());
        std::swap(waiting_[random_.Below(waiting_.size())], waiting_.back());
        const std::coroutine_handle<> next = waiting_.back();
        waiting_.pop_back();
        next.resume();
      }
      const std::lock_guard lock(store_.mutex);
      store_.deepest = std::max(store_.deepest, deepest_);
    }

   private:
    struct Wait {
      explicit Wait(Async& session) : session_(session) {}
      Wait(const Wait&) = delete;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) { session_.waiting_.push_back(h); }
      void await_resume() const noexcept {}
      Async& session_;
    };
    MapStore& store_;
    Session session_;
    Random random_{3};
    size_t deepest_ = 0;
    std::vector<std::coroutine_handle<>> waiting_;
  };

  std::unique_ptr<StoreSession> NewSession() override { return std::make_unique<Session>(*this); }
  std::unique_ptr<AsyncSession> NewAsyncSession() override {
    return std::make_unique<Async>(*this);
  }
  Status Drain() override { return {}; }
  CounterMap Counters() override { return {}; }
  CounterMap Gauges() override { return {}; }
  std::vector<EngineEvent> TakeEvents() override { return {}; }
  std::vector<LevelState> Levels() override { return {}; }
  Status Close() override { return {}; }

  std::mutex mutex;
  std::map<std::string, std::string> map;
  uint64_t gets = 0, puts = 0, scanned = 0, pauses = 0;
  size_t deepest = 0;  // calls of one thread that waited together
  uint64_t fail_at = UINT64_MAX;
  bool finds_everything = false;
  std::chrono::milliseconds answers_in{0};  // each Get
};

std::unique_ptr<workloads::Workload> Open(const workloads::Overrides& more) {
  workloads::Overrides properties = {{"recordcount", "500"}, {"operationcount", "2000"}};
  properties.insert(properties.end(), more.begin(), more.end());
  auto workload = workloads::OpenWorkload("workloads/ycsb/workloada", properties);
  EXPECT_TRUE(workload.ok()) << workload.status().message();
  return std::move(workload).value();
}

PhaseResult Drive(StoreAdapter& store, const workloads::Workload& workload, bool load,
                  uint32_t threads, PhasePlan plan = {}) {
  for (uint32_t i = 0; i < threads; ++i) {
    const workloads::StreamOptions options{i, threads, 7, std::max(plan.depth, 1u)};
    auto stream = load ? workload.NewLoadStream(options) : workload.NewRunStream(options);
    EXPECT_TRUE(stream.ok());
    plan.streams.push_back(std::move(stream).value());
  }
  return DrivePhase(store, workload.info(), plan);
}

TEST(OpExecutor, UpdateReplacesOneFieldAndKeepsTheRest) {
  MapStore store;
  std::string record;
  const std::vector<Slice> fields = {"one", "two", "three"};
  workloads::EncodeRecord(fields, &record);
  store.map["k"] = record;
  const auto session = store.NewSession();
  workloads::WorkloadInfo info;
  OpExecutor executor(*session, info);
  Operation op;
  op.kind = OpKind::kUpdate;
  op.key = "k";
  op.write_field = 1;
  op.value = "TWO!";
  EXPECT_EQ(executor.Execute(op), Outcome::kDone);
  std::string expected;
  const std::vector<Slice> after = {"one", "TWO!", "three"};
  workloads::EncodeRecord(after, &expected);
  EXPECT_EQ(store.map["k"], expected);
  EXPECT_EQ(store.gets, 1u);
  EXPECT_EQ(executor.user_bytes(), 1 + expected.size());

  op.key = "absent";
  EXPECT_EQ(executor.Execute(op), Outcome::kNotFound);
  EXPECT_EQ(store.puts, 1u);
}

TEST(OpExecutor, BlindUpdateDoesNotRead) {
  MapStore store;
  const auto session = store.NewSession();
  workloads::WorkloadInfo info;
  info.update = workloads::UpdateMode::kBlind;
  OpExecutor executor(*session, info);
  Operation op;
  op.kind = OpKind::kUpdate;
  op.key = "k";
  op.value = "whole record";
  EXPECT_EQ(executor.Execute(op), Outcome::kDone);
  EXPECT_EQ(store.gets, 0u);
  EXPECT_EQ(store.map["k"], "whole record");
}

TEST(OpExecutor, DamagedRecordIsAFailureThatSaysSo) {
  MapStore store;
  store.map["k"] = std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
  const auto session = store.NewSession();
  workloads::WorkloadInfo info;
  OpExecutor executor(*session, info);
  Operation op;
  op.kind = OpKind::kUpdate;
  op.key = "k";
  op.write_field = 0;
  op.value = "v";
  EXPECT_EQ(executor.Execute(op), Outcome::kFailed);
  EXPECT_FALSE(executor.error().ok());
}

TEST(OpExecutor, TouchesOneByteOfEveryLine) {
  std::string value(200, '\0');
  value[0] = 1;
  value[64] = 2;
  value[128] = 4;
  value[192] = 8;
  value[65] = 100;
  EXPECT_EQ(TouchBytes(value), 15u);
  EXPECT_EQ(TouchBytes(Slice()), 0u);
}

TEST(Phase, LoadsEverythingAndCountsByKind) {
  for (uint32_t threads : {1u, 3u}) {
    MapStore store;
    const auto workload = Open({});
    const PhaseResult load = Drive(store, *workload, true, threads);
    EXPECT_EQ(load.ops, 500u);
    EXPECT_EQ(load.inserts, 500u);
    EXPECT_EQ(load.ops_failed, 0u);
    EXPECT_EQ(store.map.size(), 500u);
    EXPECT_EQ(load.latency[static_cast<size_t>(OpKind::kInsert)].count(), 500u);
    EXPECT_GT(load.elapsed_s, 0);
    EXPECT_EQ(load.digests.size(), threads);
    uint64_t bytes = 0;
    for (const auto& [key, value] : store.map) bytes += key.size() + value.size();
    EXPECT_EQ(load.insert_bytes, bytes);
    EXPECT_EQ(load.user_bytes_written, bytes);

    const PhaseResult run = Drive(store, *workload, false, threads);
    EXPECT_EQ(run.ops, 2000u);
    EXPECT_EQ(run.ops_failed, 0u);
    EXPECT_EQ(run.not_found, 0u);
    const uint64_t reads = run.latency[static_cast<size_t>(OpKind::kRead)].count();
    const uint64_t updates = run.latency[static_cast<size_t>(OpKind::kUpdate)].count();
    EXPECT_EQ(reads + updates, 2000u);
    EXPECT_GT(reads, 900u);
    uint64_t in_series = 0;
    for (const SeriesPoint& point : run.series) in_series += point.ops;
    EXPECT_EQ(in_series, 2000u);
  }
}

TEST(Phase, SameSeedSameStream) {
  MapStore a, b;
  const auto workload = Open({});
  EXPECT_EQ(Drive(a, *workload, true, 2).digests, Drive(b, *workload, true, 2).digests);
  EXPECT_EQ(Drive(a, *workload, false, 2).digests, Drive(b, *workload, false, 2).digests);
}

TEST(Phase, DepthKeepsTheStreamAndWhatItDoes) {
  const auto workload = Open({{"lsmlab.update", "blind"},
                              {"requestdistribution", "uniform"},
                              {"readproportion", "0.4"},
                              {"scanproportion", "0.1"}});
  MapStore one, deep;
  PhasePlan plan;
  const PhaseResult load = Drive(one, *workload, true, 2);
  const PhaseResult run = Drive(one, *workload, false, 2);
  plan.depth = 8;
  const PhaseResult deep_load = Drive(deep, *workload, true, 2, std::move(plan));
  EXPECT_EQ(deep_load.digests, load.digests);
  EXPECT_EQ(deep_load.inserts, 500u);
  EXPECT_EQ(deep.map.size(), one.map.size());
  PhasePlan again;
  again.depth = 8;
  const PhaseResult deep_run = Drive(deep, *workload, false, 2, std::move(again));
  EXPECT_EQ(deep.deepest, 8u);
  EXPECT_EQ(deep_run.digests, run.digests);
  EXPECT_EQ(deep_run.ops, run.ops);
  EXPECT_EQ(deep_run.ops_failed, 0u);
  EXPECT_EQ(deep.gets, one.gets);
  EXPECT_EQ(deep.puts, one.puts);
  EXPECT_EQ(deep.scanned, one.scanned);
  EXPECT_GT(one.scanned, 0u);
  EXPECT_EQ(deep_run.user_bytes_written, run.user_bytes_written);
  const auto count = [](const PhaseResult& result, OpKind kind) {
    return result.latency[static_cast<size_t>(kind)].count();
  };
  EXPECT_EQ(count(deep_run, OpKind::kUpdate), count(run, OpKind::kUpdate));
}

// What is asked depends on the depth where there are inserts: a new key shows later.
TEST(Phase, DepthChangesTheStreamOfAWorkloadThatInserts) {
  const auto workload = workloads::OpenWorkload(
      "workloads/ycsb/workloadd", {{"recordcount", "500"}, {"operationcount", "2000"}});
  ASSERT_TRUE(workload.ok());
  std::vector<std::vector<uint64_t>> loads, runs;
  for (const uint32_t depth : {1u, 16u}) {
    MapStore store;
    for (const bool load : {true, false}) {
      PhasePlan plan;
      plan.depth = depth;
      (load ? loads : runs)
          .push_back(Drive(store, *workload.value(), load, 1, std::move(plan)).digests);
    }
  }
  EXPECT_EQ(loads[0], loads[1]);
  EXPECT_NE(runs[0], runs[1]);
}

// Operations end in any order, so an insert may be open long after later ones are done.
TEST(Phase, DepthAsksForNoInsertThatIsUnderWay) {
  const auto workload = Open({{"requestdistribution", "latest"},
                              {"readproportion", "0.7"},
                              {"updateproportion", "0"},
                              {"insertproportion", "0.3"},
                              {"operationcount", "20000"}});
  for (const double target : {0.0, 1e6}) {
    MapStore store;
    PhasePlan plan;
    (void)Drive(store, *workload, true, 1);
    plan.depth = 8;
    plan.target_ops_per_s = target;
    const PhaseResult run = Drive(store, *workload, false, 2, std::move(plan));
    EXPECT_TRUE(run.error.ok());
    EXPECT_EQ(run.ops, 20000u);
    EXPECT_EQ(run.not_found, 0u);
    EXPECT_EQ(run.early_choices, 0u);
    EXPECT_EQ(store.map.size(), 500 + run.inserts);
  }
}

// The pauses of this store end at once: latencies count from the intended moments, which lie ahead.
TEST(Phase, DepthKeepsATargetRate) {
  const auto workload = Open({{"operationcount", "100"}});
  MapStore store;
  const PhaseResult load = Drive(store, *workload, true, 1);
  PhasePlan plan;
  plan.depth = 4;
  plan.target_ops_per_s = 1000;
  const PhaseResult run = Drive(store, *workload, false, 1, std::move(plan));
  EXPECT_EQ(run.ops, 100u);
  EXPECT_EQ(run.ops_failed, 0u);
  EXPECT_GE(store.pauses, 90u);
  EXPECT_LE(store.pauses, 100u);
}

TEST(Phase, DepthReplacesFieldsAsCallersDo) {
  const auto workload = Open({{"readproportion", "0"}, {"updateproportion", "1"}});
  MapStore one, deep;
  const PhaseResult load = Drive(one, *workload, true, 1);
  deep.map = one.map;
  const PhaseResult run = Drive(one, *workload, false, 1);
  // One at a time, so that no two updates of a record cross.
  struct OneByOne final : StoreAdapter {
    explicit OneByOne(MapStore& store) : inner(store) {}
    std::unique_ptr<StoreSession> NewSession() override { return inner.NewSession(); }
    std::unique_ptr<AsyncSession> NewAsyncSession() override {
      struct Session final : AsyncSession {
        explicit Session(MapStore& store) : inner(store.NewSession()) {}
        Task<Outcome> Get(Slice key, std::string* value) override {
          Slice found;
          const Outcome outcome = inner->Get(key, &found);
          value->assign(found);
          co_return outcome;
        }
        Task<Outcome> Put(Slice key, Slice value) override { co_return inner->Put(key, value); }
        Task<Outcome> Delete(Slice key) override { co_return inner->Delete(key); }
        Task<Outcome> Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) override {
          co_return inner->Scan(key, end, count, sum);
        }
        Task<void> Pause(int64_t) override { co_return; }
        void Run(std::vector<Task<void>>& tasks) override {
          for (Task<void>& task : tasks) EXPECT_TRUE(task.Start());
        }
        std::unique_ptr<StoreSession> inner;
      };
      return std::make_unique<Session>(inner);
    }
    Status Drain() override { return {}; }
    CounterMap Counters() override { return {}; }
    CounterMap Gauges() override { return {}; }
    std::vector<EngineEvent> TakeEvents() override { return {}; }
    std::vector<LevelState> Levels() override { return {}; }
    Status Close() override { return {}; }
    MapStore& inner;
  };
  OneByOne store(deep);
  PhasePlan plan;
  plan.depth = 4;
  const PhaseResult deep_run = Drive(store, *workload, false, 1, std::move(plan));
  EXPECT_EQ(deep_run.digests, run.digests);
  EXPECT_EQ(deep.map, one.map);
}

TEST(Phase, MissingReadsAreAKindOfTheirOwnAndMustFindNothing) {
  MapStore store;
  const auto workload = Open({{"lsmlab.readmissing", "1"}});
  (void)Drive(store, *workload, true, 1);
  const PhaseResult run = Drive(store, *workload, false, 1);
  EXPECT_GT(run.latency[kReadMissing].count(), 900u);
  EXPECT_EQ(run.latency[static_cast<size_t>(OpKind::kRead)].count(), 0u);
  EXPECT_EQ(run.not_found, run.latency[kReadMissing].count());
  EXPECT_EQ(run.ops_failed, 0u);
  store.finds_everything = true;
  const PhaseResult wrong = Drive(store, *workload, false, 1);
  EXPECT_EQ(wrong.ops_failed, wrong.latency[kReadMissing].count());
  EXPECT_NE(wrong.error.message().find("which was never written, found it"), std::string::npos);
}

TEST(Phase, LostKeysAreFailures) {
  MapStore store;  // never loaded
  const auto workload = Open({});
  const PhaseResult run = Drive(store, *workload, false, 1);
  EXPECT_EQ(run.not_found, run.ops);
  EXPECT_EQ(run.ops_failed, run.ops);
  EXPECT_EQ(run.error.message().find("2000 of 2000 operations were answered wrongly; one of the "
                                     "first: "),
            0u)
      << run.error.message();
  EXPECT_NE(run.error.message().find(" of key 'user"), std::string::npos);
  PhasePlan lenient;
  lenient.not_found_is_failure = false;
  const PhaseResult lost = Drive(store, *workload, false, 1, std::move(lenient));
  EXPECT_EQ(lost.ops_failed, 0u);
  EXPECT_TRUE(lost.error.ok());
}

// They begin at a key that is there: a store that does not find it is quick and wrong.
TEST(Phase, ScansAndSeeksThatDoNotFindTheirKeyAreFailures) {
  for (const char* proportion : {"scanproportion", "lsmlab.seekproportion"}) {
    MapStore store;
    const auto workload =
        Open({{"readproportion", "0"}, {"updateproportion", "0"}, {proportion, "1"}});
    (void)Drive(store, *workload, true, 1);
    EXPECT_TRUE(Drive(store, *workload, false, 1).error.ok());
    store.map.clear();
    for (const uint32_t depth : {1u, 4u}) {
      PhasePlan plan;
      plan.depth = depth;
      const PhaseResult run = Drive(store, *workload, false, 1, std::move(plan));
      EXPECT_EQ(run.ops_failed, 2000u);
      EXPECT_FALSE(run.error.ok());
    }
  }
}

// As in YCSB, where another client loads the rest: these may be there or not.
TEST(Phase, KeysThatASliceLeavesToOthersMayBeMissing) {
  for (const char* distribution : {"latest", "exponential", "zipfian"}) {
    MapStore store;
    const auto workload = Open({{"requestdistribution", distribution},
                                {"insertstart", "100"},
                                {"insertcount", "200"},
                                {"readproportion", "0.8"},
                                {"insertproportion", "0.2"}});
    (void)Drive(store, *workload, true, 2);
    EXPECT_EQ(store.map.size(), 200u);
    const PhaseResult run = Drive(store, *workload, false, 2);
    EXPECT_GT(run.not_found, 0u) << distribution;
    EXPECT_EQ(run.ops_failed, 0u) << distribution;
    EXPECT_TRUE(run.error.ok());
    store.map.clear();  // now those that it has loaded are missing, too
    const PhaseResult lost = Drive(store, *workload, false, 2);
    EXPECT_GT(lost.ops_failed, 0u) << distribution;
    EXPECT_LT(lost.ops_failed, lost.not_found) << distribution;
  }
}

TEST(Phase, NothingIsWrongWithAStoreThatKeepsNothing) {
  MapStore store;
  const auto workload =
      Open({{"lsmlab.readmissing", "0.5"}, {"readproportion", "1"}, {"updateproportion", "0"}});
  for (const bool finds : {false, true}) {
    store.finds_everything = finds;
    PhasePlan plan;
    plan.keeps_data = false;
    const PhaseResult run = Drive(store, *workload, false, 1, std::move(plan));
    EXPECT_EQ(run.ops_failed, 0u);
    EXPECT_TRUE(run.error.ok());
  }
}

TEST(Phase, FirstErrorEndsItAndIsReported) {
  MapStore store;
  store.fail_at = 100;
  const auto workload = Open({});
  const PhaseResult load = Drive(store, *workload, true, 2);
  EXPECT_EQ(load.error.message(), "the disk is gone");
  EXPECT_LT(load.ops, 500u);
  EXPECT_EQ(load.ops_failed, 1u);
}

TEST(Phase, StopFlagAndTimeLimitEndIt) {
  MapStore store;
  const auto workload = Open({{"operationcount", "0"}});
  (void)Drive(store, *workload, true, 1);
  std::atomic<bool> stop{true};
  PhasePlan stopped;
  stopped.stop = &stop;
  stopped.interval_s = 0.02;
  EXPECT_TRUE(Drive(store, *workload, false, 1, std::move(stopped)).interrupted);
  PhasePlan timed;
  timed.max_seconds = 0.1;
  timed.interval_s = 0.02;
  const PhaseResult run = Drive(store, *workload, false, 2, std::move(timed));
  EXPECT_FALSE(run.interrupted);
  EXPECT_GT(run.elapsed_s, 0.05);
  EXPECT_LT(run.elapsed_s, 5.0);
  EXPECT_GE(run.series.size(), 3u);
}

// The next operation is due in 100 s.
TEST(Phase, StopFlagEndsAWaitForTheNextIntendedStart) {
  MapStore store;
  const auto workload = Open({});
  (void)Drive(store, *workload, true, 1);
  const std::atomic<bool> stop{true};
  PhasePlan plan;
  plan.stop = &stop;
  plan.interval_s = 0.02;
  plan.target_ops_per_s = 0.01;
  const PhaseResult run = Drive(store, *workload, false, 1, std::move(plan));
  EXPECT_LE(run.ops, 1u);
  EXPECT_LT(run.elapsed_s, 50.0);
}

// As at its limit: complete, with what was done until then.
TEST(Phase, WhatGoesOnBesideItMayEndIt) {
  const auto workload = Open({{"operationcount", "0"}});
  for (const uint32_t depth : {1u, 4u}) {
    MapStore store;
    (void)Drive(store, *workload, true, 1);
    const std::atomic<bool> ends{true};
    PhasePlan plan;
    plan.depth = depth;
    plan.ends = &ends;
    const PhaseResult run = Drive(store, *workload, false, 2, std::move(plan));
    EXPECT_FALSE(run.interrupted);
    EXPECT_TRUE(run.error.ok());
    EXPECT_LT(run.ops, 100u);
  }
}

TEST(Phase, PaceIsKeptAndLatencyCountsFromTheIntendedStart) {
  MapStore store;
  const auto workload = Open({{"operationcount", "100"}});
  (void)Drive(store, *workload, true, 1);
  PhasePlan paced;
  paced.target_ops_per_s = 1000;
  const PhaseResult run = Drive(store, *workload, false, 2, std::move(paced));
  EXPECT_EQ(run.ops, 100u);
  EXPECT_GT(run.elapsed_s, 0.09);
}

// Each thread has 1000 operations, due within 2 ms, and comes to at most 200 of them in the time.
TEST(Phase, DueOperationsThatTheTimeLimitCutsOffAreCounted) {
  const auto workload = Open({{"readproportion", "1"}, {"updateproportion", "0"}});
  for (const uint32_t depth : {1u, 4u}) {
    MapStore store;
    (void)Drive(store, *workload, true, 1);
    const auto run = [&](double target, double seconds) {
      PhasePlan plan;
      plan.depth = depth;
      plan.total_ops = 2000;
      plan.target_ops_per_s = target;
      plan.max_seconds = seconds;
      return Drive(store, *workload, false, 2, std::move(plan));
    };
    const PhaseResult all = run(1e6, 0);
    EXPECT_EQ(all.ops, 2000u);
    EXPECT_EQ(all.ops_due, 2000u);
    EXPECT_EQ(run(0, 0).ops_due, 0u);
    store.answers_in = std::chrono::milliseconds(1);
    const PhaseResult some = run(1e6, 0.2);
    EXPECT_LT(some.ops, 2000u);
    EXPECT_EQ(some.ops_due, 2000u);
  }
}

TEST(Record, StatesTheDueOperationsOfARatedPhaseAlone) {
  RunRecord record;
  record.measured.emplace().ops = 90;
  EXPECT_EQ(RecordLine(record, {}).find("ops_due"), std::string::npos);
  record.measured->ops_due = 100;
  EXPECT_NE(RecordLine(record, {}).find("\"ops_due\":100"), std::string::npos);
}

TEST(TickClock, AgreesWithTheMonotonicClock) {
  const TickClock& clock = TickClock::Get();
  const int64_t begin_ns = NowNanos();
  const uint64_t begin = clock.Now();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto ticks_ns = static_cast<double>(clock.ToNanos(clock.Now() - begin));
  const auto clock_ns = static_cast<double>(NowNanos() - begin_ns);
  EXPECT_NEAR(ticks_ns / clock_ns, 1.0, 0.01);
  EXPECT_NEAR(static_cast<double>(clock.ToNanos(clock.FromNanos(1'000'000))), 1e6, 1e3);
}

TEST(IdleParts, NamesWhatDidNothing) {
  RunRecord record;
  record.identity.engine = "lsmlab";
  record.phase = "run";
  record.counters = {{"filter_probes", 0}, {"cache_hits", 5}, {"cache_misses", 0}};
  EXPECT_EQ(IdleParts({"cache", "filter"}, record), (std::vector<std::string>{"filter"}));
  record.counters["filter_probes"] = 1;
  EXPECT_TRUE(IdleParts({"cache", "filter"}, record).empty());
  record.counters.clear();  // an engine that does not count is not blamed
  EXPECT_TRUE(IdleParts({"cache", "filter"}, record).empty());
}

TEST(TouchMemory, TakesWhatIsThereAndRefusesMore) {
  EXPECT_TRUE(TouchMemory(0).ok());
  EXPECT_TRUE(TouchMemory(size_t{3} << 20).ok());
  const Status refused = TouchMemory(uint64_t{1} << 50);
  EXPECT_EQ(refused.code(), StatusCode::kNoSpace);
  EXPECT_NE(refused.message().find("touch_memory: 1073741824 MiB of memory, and "),
            std::string::npos)
      << refused.message();
}

// As on a full disk: a part of the bytes still finds room.
TEST(Files, AreAsTheyWereWhenAWriteFails) {
  const Result<std::string> made = MakeFreshDirectory("/var/tmp", "lsmlab-files-");
  ASSERT_TRUE(made.ok());
  const std::string file = made.value() + "/f";
  ASSERT_TRUE(WriteWholeFile(file, "one\n").ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{6, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status appended = AppendLine(file, "two and three");
  const Status replaced = WriteWholeFile(file, "two and three");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  EXPECT_NE(appended.message().find(file + ": "), std::string::npos) << appended.message();
  EXPECT_NE(replaced.message().find(file + ".new: "), std::string::npos) << replaced.message();
  EXPECT_EQ(ReadWholeFile(file, 100).value(), "one\n");
  EXPECT_FALSE(std::filesystem::exists(file + ".new"));
  EXPECT_TRUE(RemoveOwnDirectory(made.value()).ok());
}

TEST(Files, AreReplacedWholeAndForeignOnesLeftAlone) {
  const Result<std::string> made = MakeFreshDirectory("/var/tmp", "lsmlab-files-");
  ASSERT_TRUE(made.ok());
  const std::string file = made.value() + "/f";
  ASSERT_TRUE(WriteWholeFile(file, "one\n").ok());
  ASSERT_TRUE(AppendLine(file, "two").ok());
  EXPECT_EQ(ReadWholeFile(file, 100).value(), "one\ntwo\n");
  EXPECT_FALSE(ReadWholeFile(file, 3).ok());
  EXPECT_FALSE(ReadWholeFile(made.value(), 100).ok());
  EXPECT_FALSE(RemoveOwnDirectory(file).ok());
  std::filesystem::create_directory_symlink(made.value(), made.value() + "/link");
  EXPECT_FALSE(RemoveOwnDirectory(made.value() + "/link").ok());
  EXPECT_TRUE(std::filesystem::exists(file));
  ASSERT_TRUE(RemoveOwnDirectory(made.value()).ok());
  EXPECT_FALSE(std::filesystem::exists(made.value()));
  EXPECT_TRUE(RemoveOwnDirectory(made.value()).ok());
}

}  // namespace
}  // namespace lsmlab::harness
