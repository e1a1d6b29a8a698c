#include "tests/crash/callers_workload.h"

#include "tests/support/checked_value.h"
#include "tests/support/draw_changes.h"

namespace lsmlab::test {
namespace {

constexpr uint64_t kCallerWrites = 50;
constexpr size_t kMarkerBytes = 28;

}  // namespace

bool CallersRun::one_shard() const {
  return composition.partitioner == nullptr &&
         std::none_of(composition.changes.begin(), composition.changes.end(),
                      [](const auto& change) { return change.first.starts_with("engine.partit"); });
}

StoreOptions CallersRun::Options(const std::shared_ptr<SimDisk>& disk, bool defer) const {
  Settings settings = {{"engine.executor.variant", on_loops ? "reactor" : "inline"},
                       {"engine.executor.loops", "3"},
                       {"engine.executor.seed", std::to_string(seed)},
                       {"engine.wal.sync", sync}};
  if (one_shard()) settings.emplace_back("engine.partitioner.variant", "single");
  StoreOptions options;
  options.path = "/store";
  options.composition = ComposeSmall(composition, settings);
  options.seed = seed;
  SimulatedOptions simulated;
  simulated.direct = ParseDirect(options.composition.io.settings.Choice("direct"));
  simulated.defer = defer;
  simulated.seed = seed;
  options.io = MakeSimulatedIo(disk, simulated);
  return options;
}

Task<void> CrashCaller::Run() {
  while (writes_.size() <= kCallerWrites) {
    Draw();
    const Status status = co_await world_.store->WriteAsync(batch_);
    if (!status.ok()) {
      if (world_.failure.ok()) world_.failure = status;
      co_return;
    }
    writes_.back().returned = ++world_.now;
    const bool reads = random_.OneIn(4);
    if (reads) co_await Read();
  }
}

Task<void> CrashCaller::Read() {
  key_ = keys_.DrawNear(random_);
  ValueOrTask<Status> get = world_.store->GetAsync(key_, &value_, options_);
  const Status status = co_await get;
  const bool answered = status.ok() || status.IsNotFound();
  if (!answered && !status.IsCorruption()) {
    if (world_.failure.ok()) world_.failure = status;
    co_return;
  }
  const Status right = CheckRead(model_, writes_.back().marker, key_, status, value_);
  if (!right.ok() && world_.wrong.ok()) world_.wrong = right;
}

Status CrashCaller::Match(Store& store, size_t* prefix) const {
  std::string value;
  Status status = store.Get(marker_, &value);
  *prefix = 0;
  if (status.ok()) {
    const uint64_t operation = OperationOf(marker_, value).value_or(0);
    while (*prefix < writes_.size() && writes_[*prefix].marker != operation) ++*prefix;
    if (operation == 0 || *prefix == writes_.size()) {
      return Status::Corruption(marker_ + " has a value that nobody wrote");
    }
  } else if (!status.IsNotFound()) {
    return status;
  }
  for (const auto& [key, versions] : model_.map()) {
    status = store.Get(key, &value);
    LSMLAB_TRY(CheckRead(model_, writes_[*prefix].marker, key, status, value));
  }
  return Status();
}

void CrashCaller::AddContentOf(size_t prefix, WholeContent* content) const {
  if (prefix == 0) return;
  const uint64_t last = writes_[prefix].marker;
  AddContent(model_, last, content);
  (*content)[marker_] = CheckedValue(marker_, last, kMarkerBytes);
}

void CrashCaller::Draw() {
  batch_.Clear();
  DrawChanges(keys_, random_, world_.operation, model_, batch_,
              [this] { return 28 + random_.Below(random_.OneIn(8) ? 4000 : 400); });
  batch_.Put(marker_, CheckedValue(marker_, ++world_.operation, kMarkerBytes));
  writes_.push_back({++world_.now, ~uint64_t{0}, world_.operation});
}

CallersWorkload::CallersWorkload(const CallersRun& run) : run_(run) {
  for (int i = 0; i < kCrashCallers; ++i) {
    const uint64_t seed = run.seed * 100 + static_cast<uint64_t>(i);
    callers_.push_back(std::make_unique<CrashCaller>(world_, i, seed));
  }
}

Status CallersWorkload::Run(uint64_t every) {
  disk_->SetAfterStep([this, every](uint64_t step) {
    if (step % every == 0) moments_.push_back({disk_->Snapshot(), world_.now});
  });
  Status status = OpenAndRun(nullptr);
  disk_->SetAfterStep(nullptr);
  LSMLAB_TRY(status);
  LSMLAB_TRY(world_.failure);
  return world_.wrong;
}

Status CallersWorkload::RunBeside(const SimFault& fault) {
  Status ignored = OpenAndRun(&fault);
  (void)ignored;
  return world_.wrong;
}

Status CallersWorkload::OpenAndRun(const SimFault* fault) {
  const StoreOptions options = run_.Options(disk_, /*defer=*/true);
  auto opened = Store::Open(options);
  if (!opened.ok()) return opened.status();
  opened_steps_ = disk_->steps();
  world_.store = opened.value().get();
  if (fault != nullptr) disk_->Arm(*fault);
  Executor& executor = world_.store->executor();
  for (size_t i = 0; i < callers_.size(); ++i) {
    Task<void> caller = callers_[i]->Run();
    if (run_.on_loops) {
      executor.SpawnOn(static_cast<int>(i), Priority::kForeground, std::move(caller), *options.io);
    } else {
      executor.Spawn(Priority::kForeground, std::move(caller), *options.io);
    }
  }
  executor.Drain(*options.io);
  if (fault != nullptr) moments_.push_back({disk_->Snapshot(), world_.now});
  stats_ = world_.store->Stats();
  return opened.value()->Close();
}

Status CallersWorkload::CheckCrash(const CallersMoment& moment, CrashMode mode, uint64_t damage,
                                   uint64_t* torn) const {
  auto opened = Store::Open(run_.Options(moment.disk->Crash(mode, damage), /*defer=*/false));
  if (!opened.ok()) return opened.status();
  Store& store = *opened.value();
  const bool kept = run_.sync != "none" || mode == CrashMode::kAll;
  std::vector<size_t> found(callers_.size());
  bool lost_one = false, kept_one = false;
  for (size_t i = 0; i < callers_.size(); ++i) {
    LSMLAB_TRY(callers_[i]->Match(store, &found[i]));
    const size_t least = kept ? callers_[i]->Returned(moment.now) : 0;
    if (found[i] < least || found[i] > callers_[i]->Called(moment.now)) {
      return Status::Corruption("caller " + std::to_string(i) + " has " + std::to_string(found[i]) +
                                " writes, " + std::to_string(least) + " were durable");
    }
    lost_one |= found[i] < callers_[i]->Called(moment.now);
    kept_one |= found[i] > callers_[i]->Returned(moment.now);
  }
  *torn += lost_one && kept_one;
  WholeContent content;
  for (size_t i = 0; i < callers_.size(); ++i) callers_[i]->AddContentOf(found[i], &content);
  LSMLAB_TRY(CheckWholeWalks(store, content));
  for (size_t i = 0; i < callers_.size(); ++i) {
    if (found[i] == 0) continue;
    const uint64_t call = callers_[i]->CallOf(found[i]);
    for (size_t j = 0; j < callers_.size(); ++j) {
      if (callers_[j]->Returned(call) <= found[j]) continue;
      return Status::Corruption("write " + std::to_string(found[i]) + " of caller " +
                                std::to_string(i) + " is there, but not all that caller " +
                                std::to_string(j) + " had acknowledged before it");
    }
  }
  LSMLAB_TRY(store.Verify());
  return store.Close();
}

}  // namespace lsmlab::test
