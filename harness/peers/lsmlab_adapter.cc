#include <algorithm>
#include <array>

#include "engine/store.h"
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
    uint64_t seen = 0;
    while (status.ok() && it->valid()) {
      const Result<Slice> value = it->Value();
      if (!value.ok()) return Fail(value.status());
      *sum += TouchBytes(it->key()) + TouchBytes(value.value());
      if (++seen == count) break;
      status = it->Next();
    }
    if (!status.ok()) return Fail(status);
    return seen == 0 ? Outcome::kNotFound : Outcome::kDone;
  }

 private:
  Outcome Report(Status status) { return status.ok() ? Outcome::kDone : Fail(std::move(status)); }
  Store& store_;
  PinnedValue value_;
};

class LsmlabAdapter final : public StoreAdapter {
 public:
  explicit LsmlabAdapter(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  std::unique_ptr<StoreSession> NewSession() override {
    return std::make_unique<LsmlabSession>(*store_);
  }
  Status Drain() override { return store_->Drain(); }
  CounterMap Counters() override { return Select(false); }
  CounterMap Gauges() override { return Select(true); }

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
  Status Close() override { return store_->Close(); }

 private:
  CounterMap Select(bool gauges) const {
    CounterMap selected;
    for (const auto& [name, value] : StatsAsList(store_->Stats())) {
      const bool is_gauge = std::find(kGauges.begin(), kGauges.end(), name) != kGauges.end();
      if (is_gauge == gauges) selected.emplace(name, value);
    }
    return selected;
  }
  std::unique_ptr<Store> store_;
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
    "lsmlab", "ours, in any composition of engine.* settings", {}, OpenLsmlab, true};

}  // namespace lsmlab::harness
