#include "harness/peers/engines.h"

#include <algorithm>

#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

constexpr const EngineInfo* kEngines[] = {&kLsmlabEngine, &kRocksdbEngine, &kNullEngine,
                                          &kFioEngine};
constexpr std::string_view kPeers = "peers.";
constexpr std::string_view kDriver = "driver.";
constexpr SettingSpec kDriverSettings[] = {
    {"threads", SettingType::kInteger, "0", 0, kMaxClients, "",
     "client threads; 0: as many as the run or the workload says"},
    {"depth", SettingType::kInteger, "1", 1, 4096, "",
     "operations that each client thread has under way, in coroutines; 1: one after the other, by "
     "blocking calls"},
    {"background", SettingType::kChoice, "none", 0, 0, "none|compact",
     "what goes on beside a measured run: compact = a compaction of the whole store, begun with "
     "it"},
};

Status Refuse(const Assignment& a, const std::string& what) {
  return Status::InvalidArgument(a.origin + ": " + Shown(a.name) + ": " + what);
}

// Checks "peers.<engine>.<setting>" and puts it into the bag when it is for `engine`.
Status AssignPeer(const Assignment& a, std::string_view engine, SettingBag* bag) {
  const size_t dot = a.name.find('.', kPeers.size());
  const std::string_view peer = std::string_view(a.name).substr(kPeers.size(), dot - kPeers.size());
  const EngineInfo* info = FindEngine(peer);
  if (info == nullptr || dot == std::string::npos) return Refuse(a, UnknownEngineMessage(peer));
  const std::string_view key = std::string_view(a.name).substr(dot + 1);
  std::vector<std::string_view> known;
  for (const SettingSpec& spec : info->settings) {
    known.push_back(spec.name);
    if (spec.name != key) continue;
    Result<SettingValue> value = ParseSetting(spec, a.text);
    if (!value.ok()) return Refuse(a, std::string(value.status().message()));
    if (peer == engine) bag->Set(key, std::move(value).value());
    return {};
  }
  return Refuse(a, "unknown setting of " + std::string(peer) + ", known are " + JoinNames(known) +
                       DidYouMean(key, known));
}

// The same for "driver.<setting>".
Status AssignDriver(const Assignment& a, SettingBag* bag) {
  const std::string_view key = std::string_view(a.name).substr(kDriver.size());
  std::vector<std::string_view> known;
  for (const SettingSpec& spec : kDriverSettings) {
    known.push_back(spec.name);
    if (spec.name != key) continue;
    Result<SettingValue> value = ParseSetting(spec, a.text);
    if (!value.ok()) return Refuse(a, std::string(value.status().message()));
    bag->Set(key, std::move(value).value());
    return {};
  }
  return Refuse(
      a, "unknown setting of the driver, known are " + JoinNames(known) + DidYouMean(key, known));
}

// With the place of the assignment that counts, the last one.
Status CheckRefusals(const EngineInfo& info, const EngineSetup& setup,
                     const std::vector<Assignment>& sorted) {
  if (info.refuses == nullptr) return {};
  const Refusal refusal = info.refuses(setup);
  if (refusal.setting.empty()) return {};
  const auto given = std::find_if(sorted.rbegin(), sorted.rend(),
                                  [&](const Assignment& a) { return a.name == refusal.setting; });
  const std::string where = given == sorted.rend() ? "" : given->origin + ": ";
  return Status::InvalidArgument(where + std::string(refusal.setting) + ": " + refusal.reason);
}

}  // namespace

std::span<const SettingSpec> DriverSettings() noexcept { return kDriverSettings; }

std::span<const EngineInfo> Engines() noexcept {
  // Copies of the rows, so that they can be walked as values; made at the first call.
  static const std::vector<EngineInfo> engines = [] {
    std::vector<EngineInfo> rows;
    for (const EngineInfo* row : kEngines) rows.push_back(*row);
    return rows;
  }();
  return engines;
}

const EngineInfo* FindEngine(std::string_view name) noexcept {
  for (const EngineInfo* row : kEngines) {
    if (row->name == name) return row;
  }
  return nullptr;
}

std::string UnknownEngineMessage(std::string_view name) {
  std::vector<std::string_view> known;
  for (const EngineInfo* row : kEngines) known.push_back(row->name);
  return "unknown engine '" + Shown(name) + "', known are " + JoinNames(known) +
         DidYouMean(name, known);
}

Result<EngineSetup> SetUpEngine(std::string_view engine,
                                const std::vector<Assignment>& assignments) {
  const EngineInfo* info = FindEngine(engine);
  if (info == nullptr) return Status::InvalidArgument(UnknownEngineMessage(engine));
  EngineSetup setup;
  setup.engine = engine;
  setup.peer = DefaultSettings(info->settings);
  SettingBag driver = DefaultSettings(kDriverSettings);
  std::vector<Assignment> ours;
  std::vector<Assignment> sorted = assignments;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Assignment& a, const Assignment& b) { return a.layer < b.layer; });
  for (const Assignment& a : sorted) {
    if (a.name.starts_with(kPeers)) {
      LSMLAB_TRY(AssignPeer(a, engine, &setup.peer));
    } else if (a.name.starts_with(kDriver)) {
      LSMLAB_TRY(AssignDriver(a, &driver));
    } else {
      ours.push_back(a);
    }
  }
  Result<ComposedEngine> composed = Compose(ours);
  if (!composed.ok()) return composed.status();
  setup.composed = std::move(composed).value();
  LSMLAB_TRY(CheckRefusals(*info, setup, sorted));
  setup.config = setup.composed.config;
  setup.driver.threads = static_cast<uint32_t>(driver.Integer("threads"));
  setup.driver.depth = static_cast<uint32_t>(driver.Integer("depth"));
  setup.driver.compact = driver.Choice("background") == "compact";
  for (const SettingSpec& spec : kDriverSettings) {
    setup.config[std::string(kDriver) + std::string(spec.name)] =
        FormatSetting(spec, driver.values().find(spec.name)->second);
  }
  for (const SettingSpec& spec : info->settings) {
    const SettingValue& value = setup.peer.values().find(spec.name)->second;
    setup.config[std::string(kPeers) + std::string(engine) + "." + std::string(spec.name)] =
        FormatSetting(spec, value);
  }
  return setup;
}

Result<EngineSetup> SetUpEngine(std::string_view engine, const ConfigMap& config) {
  std::vector<Assignment> assignments;
  for (const auto& [name, text] : config) assignments.push_back({name, text, "configuration", 0});
  return SetUpEngine(engine, assignments);
}

Status CheckClients(const EngineSetup& setup, const workloads::WorkloadInfo& workload,
                    uint32_t threads, const std::string& where) {
  const ExecutorVariant& executor = *setup.composed.composition.executor.variant;
  const bool one_caller = ServesOneCaller(executor, setup.composed.composition.executor.settings);
  if (threads > kMaxClients) {
    return Status::InvalidArgument(where + ": " + std::to_string(threads) +
                                   " client threads; allowed is up to " +
                                   std::to_string(kMaxClients));
  }
  if (setup.driver.depth > 1) {
    const std::string depth = where + ": driver.depth " + std::to_string(setup.driver.depth);
    if (!FindEngine(setup.engine)->has_async) {
      return Status::InvalidArgument(depth + ", but engine '" + setup.engine +
                                     "' has no asynchronous calls; allowed with it is 1");
    }
    if (one_caller) {
      return Status::InvalidArgument(depth + ", but engine.executor.variant '" +
                                     std::string(executor.name) +
                                     "' works for one call at a time; allowed with it is 1");
    }
    if (workload.target_ops_per_s > 0 && setup.engine == "lsmlab" && !executor.has_loops) {
      return Status::InvalidArgument(depth +
                                     ", but coroutines keep a target rate on event loops only; use "
                                     "engine.executor.variant \"reactor\", or 1");
    }
  }
  if (setup.engine != "lsmlab" || threads <= 1 || !one_caller) return {};
  return Status::InvalidArgument(
      where + ": " + std::to_string(threads) + " client threads, but engine.executor.variant '" +
      std::string(executor.name) + "' serves one caller at a time; allowed with it is 1");
}

}  // namespace lsmlab::harness
