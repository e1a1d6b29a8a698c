#include <algorithm>
#include <array>
#include <atomic>
#include <future>

#include "engine/store.h"
#include "harness/peers/config_view.h"
#include "harness/peers/engines.h"

namespace lsmlab::harness {
namespace {

// Statistics that describe a moment; everything else in StatsAsList only grows.
constexpr std::array<std::string_view, 12> kGauges = {
    "cache_bytes", "cache_capacity_bytes", "cache_pinned_bytes", "table_bytes",
    "tables",      "pinned_bytes",         "memtable_bytes",     "value_files",
    "value_bytes", "value_record_bytes",   "value_live_bytes",   "live_entries_estimate",
};

class LsmlabSession final : public StoreSession {
 public:
  explicit LsmlabSession(Store& store) : store_(store) {}

  Outcome Get(Slice key, Slice* value) override {
    const Status status = store_.Get(key, &value_);
    if (!status.ok()) return status.IsNotFound() ? Outcome::kNotFound : Fail(status);
    *value = value_.value();
    return Outcome::kDone;
  }
  Outcome Put(Slice key, Slice value) override { return Report(store_.Put(key, value)); }
  Outcome Delete(Slice key) override { return Report(store_.Delete(key)); }

  Outcome Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) override {
    ReadOptions options;
    options.upper_bound = end;
    if (!end.empty()) options.lower_bound = key;
    const std::unique_ptr<Iterator> it = store_.NewIterator(options);
    Status status = it->Seek(key);
    const bool begins_at_key = status.ok() && it->valid() && it->key() == key;
    uint64_t seen = 0;
    while (status.ok() && it->valid()) {
      const Result<Slice> value = it->Value();
      if (!value.ok()) return Fail(value.status());
      *sum += TouchBytes(it->key()) + TouchBytes(value.value());
      if (++seen == count) break;
      status = it->Next();
    }
    if (!status.ok()) return Fail(status);
    return begins_at_key ? Outcome::kDone : Outcome::kNotFound;
  }

 private:
  Outcome Report(Status status) { return status.ok() ? Outcome::kDone : Fail(std::move(status)); }
  Store& store_;
  PinnedValue value_;
};

class LsmlabAsyncSession final : public AsyncSession {
 public:
  // `alive`: sessions; they take the executor's loops in turn, in each phase from the first one on.
  LsmlabAsyncSession(Store& store, std::atomic<int>& alive)
      : store_(store), alive_(alive), number_(alive.fetch_add(1)) {}
  ~LsmlabAsyncSession() override { alive_.fetch_sub(1); }

  Task<Outcome> Get(Slice key, std::string* value) override {
    if (IsToYield()) co_await Yield(store_.executor(), Priority::kForeground);
    const ReadOptions options;
    const Status status = co_await store_.GetAsync(key, value, options);
    if (status.IsNotFound()) co_return Outcome::kNotFound;
    co_return Report(status);
  }
  Task<Outcome> Put(Slice key, Slice value) override {
    if (IsToYield()) co_await Yield(store_.executor(), Priority::kForeground);
    const Status status = co_await store_.PutAsync(key, value);
    co_return Report(status);
  }
  Task<Outcome> Delete(Slice key) override {
    if (IsToYield()) co_await Yield(store_.executor(), Priority::kForeground);
    const Status status = co_await store_.DeleteAsync(key);
    co_return Report(status);
  }
  Task<Outcome> Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) override {
    if (IsToYield()) co_await Yield(store_.executor(), Priority::kForeground);
    ReadOptions options;
    options.upper_bound = end;
    if (!end.empty()) options.lower_bound = key;
    const std::unique_ptr<AsyncIterator> it = co_await store_.NewIteratorAsync(options);
    Status status = co_await it->Seek(key);
    const bool begins_at_key = status.ok() && it->valid() && it->key() == key;
    uint64_t seen = 0;
    while (status.ok() && it->valid()) {
      const Result<Slice> value = co_await it->Value();
      if (!value.ok()) co_return Fail(value.status());
      *sum += TouchBytes(it->key()) + TouchBytes(value.value());
      if (++seen == count) break;
      status = co_await it->Next();
    }
    if (!status.ok()) co_return Fail(status);
    co_return begins_at_key ? Outcome::kDone : Outcome::kNotFound;
  }
  Task<void> Pause(int64_t nanos) override {
    co_await Yield(store_.executor(), Priority::kForeground, nanos);
  }
  void Run(std::vector<Task<void>>& tasks) override {
    if (const int loops = store_.executor().loops(); loops > 0) {
      std::promise<void> done;
      std::future<void> is_done = done.get_future();
      store_.executor().SpawnOn(number_ % loops, Priority::kForeground,
                                AllOnLoop(tasks, std::move(done)), store_.io());
      return is_done.get();
    }
    RunLoop& loop = RunLoop::Current();
    loop.set_side_by_side(true);
    RunSync(store_.executor(), store_.io(), All(tasks));
    loop.set_side_by_side(false);
  }

 private:
  static Task<void> All(std::vector<Task<void>>& tasks) {
    for (Task<void>& task : tasks) task.Start();
    for (Task<void>& task : tasks) co_await task.Join();
  }
  static Task<void> AllOnLoop(std::vector<Task<void>>& tasks, std::promise<void> done) {
    for (Task<void>& task : tasks) task.Start();
    for (Task<void>& task : tasks) co_await task.Join();
    done.set_value();
  }
  // On a loop, a client that never has to wait lets the others have their turns now and then.
  bool IsToYield() noexcept {
    constexpr uint32_t kOperationsPerTurn = 32;
    return on_loop_ && ++operations_ % kOperationsPerTurn == 0;
  }
  Outcome Report(const Status& status) { return status.ok() ? Outcome::kDone : Fail(status); }
  Store& store_;
  std::atomic<int>& alive_;
  const int number_;
  const bool on_loop_ = store_.executor().loops() > 0;
  uint32_t operations_ = 0;
};

class LsmlabAdapter final : public StoreAdapter {
 public:
  explicit LsmlabAdapter(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  std::unique_ptr<StoreSession> NewSession() override {
    return std::make_unique<LsmlabSession>(*store_);
  }
  std::unique_ptr<AsyncSession> NewAsyncSession() override {
    return std::make_unique<LsmlabAsyncSession>(*store_, async_sessions_);
  }
  Status Drain() override { return store_->Drain(); }
  Status CompactAll() override { return store_->CompactRange(Slice(), Slice()); }
  CounterMap Counters() override { return Select(false); }
  CounterMap Gauges() override {
    CounterMap gauges = Select(true);
    const std::vector<TreeShape> shards = store_->Shapes();
    double all = 0, most = 0;
    for (const TreeShape& shard : shards) {
      const double entries = EntriesOf(shard);
      all += entries;
      most = std::max(most, entries);
    }
    gauges["shards"] = static_cast<double>(shards.size());
    if (all > 0) gauges["shard_imbalance"] = most * static_cast<double>(shards.size()) / all;
    return gauges;
  }

  std::vector<EngineEvent> TakeEvents() override {
    std::vector<EngineEvent> events;
    for (const StoreEvent& event : store_->TakeEvents()) {
      events.push_back({std::string(EventKindName(event.kind)), event.cause, event.start_ns,
                        event.end_ns, event.bytes_in, event.bytes_out, event.output_level});
    }
    return events;
  }

  std::vector<LevelState> Levels() override {
    std::vector<LevelState> levels;
    for (const TreeShape& shape : store_->Shapes()) {
      levels.resize(std::max(levels.size(), shape.levels.size()));
      for (size_t i = 0; i < shape.levels.size(); ++i) {
        levels[i].level = static_cast<uint32_t>(i);
        levels[i].bytes += shape.levels[i].bytes;
        levels[i].runs += shape.levels[i].runs.size();
        for (const RunShape& run : shape.levels[i].runs) levels[i].tables += run.tables.size();
      }
    }
    return levels;
  }
  std::string IoBackend() const override { return std::string(store_->io().backend()); }
  Status Close() override { return store_->Close(); }

 private:
  static double EntriesOf(const TreeShape& shard) {
    double entries = 0;
    for (const LevelShape& level : shard.levels) {
      for (const RunShape& run : level.runs) {
        for (const TableShape& table : run.tables) entries += static_cast<double>(table.entries);
      }
    }
    return entries;
  }
  CounterMap Select(bool gauges) const {
    CounterMap selected;
    for (const auto& [name, value] : StatsAsList(store_->Stats())) {
      const bool is_gauge = std::find(kGauges.begin(), kGauges.end(), name) != kGauges.end();
      if (is_gauge == gauges) selected.emplace(name, value);
    }
    return selected;
  }
  std::unique_ptr<Store> store_;
  std::atomic<int> async_sessions_{0};
};

Result<std::unique_ptr<StoreAdapter>> OpenLsmlab(const OpenRequest& request) {
  StoreOptions options;
  options.path = request.path;
  options.composition = request.setup.composed.composition;
  options.create_if_missing = request.create;
  options.error_if_exists = request.create;
  Result<std::unique_ptr<Store>> store = Store::Open(std::move(options));
  if (!store.ok()) return store.status();
  return std::unique_ptr<StoreAdapter>(std::make_unique<LsmlabAdapter>(std::move(store).value()));
}

}  // namespace

const EngineInfo kLsmlabEngine = {
    "lsmlab",          "ours, in any composition of engine.* settings", {}, OpenLsmlab, true, true,
    AmendOurConditions};

}  // namespace lsmlab::harness
