#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "harness/driver/adapter.h"
#include "variants/compose.h"
#include "workloads/workload.h"

// The engines that the driver can be put to: ours in any composition, and the peers it is compared
// with. A peer takes what it shares with us (memory, sizes, durability, codecs, threads) from the
// same dotted configuration, so that both sides of a comparison are alike; what only it has stands
// under "peers.<engine>.".
namespace lsmlab::harness {

using ConfigMap = std::map<std::string, std::string, std::less<>>;

// How a row is driven: settings "driver.<name>".
struct DriverSetup {
  uint32_t threads = 0;  // clients; 0: as many as the run or the workload says
  uint32_t depth = 1;    // operations that each has under way
  bool compact = false;  // while a run is measured, the whole store is compacted
};

// A validated engine: everything that a run needs to open it.
struct EngineSetup {
  std::string engine;       // a name of Engines()
  ComposedEngine composed;  // for peers: where the shared settings come from
  SettingBag peer;          // settings of "peers.<engine>."
  DriverSetup driver;
  ConfigMap config;  // all of it resolved: dotted name -> text
};

struct OpenRequest {
  const EngineSetup& setup;
  const workloads::WorkloadInfo& workload;
  std::string path;    // directory of the store
  bool create = true;  // true: it must not exist yet; false: it must
};

// A shared setting whose value an engine has no equal of.
struct Refusal {
  std::string_view setting;  // dotted; empty: none is refused
  std::string reason;        // what was found and what is allowed
};

struct EngineInfo {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  Result<std::unique_ptr<StoreAdapter>> (*open)(const OpenRequest& request);
  bool keeps_data;         // false: a run phase needs no load phase before it
  bool has_async = false;  // its sessions have asynchronous forms
  // Corrects in the table of conditions what the engine does otherwise than the shared settings
  // say; null: nothing.
  void (*amend_conditions)(const EngineSetup& setup, uint32_t threads,
                           std::map<std::string, std::string>& conditions) = nullptr;
  // What of the shared settings it cannot do; null: it can do all. Asked before anything runs.
  Refusal (*refuses)(const EngineSetup& setup) = nullptr;
};

// "driver.<name>": unit, default and range of each.
std::span<const SettingSpec> DriverSettings() noexcept;

std::span<const EngineInfo> Engines() noexcept;
const EngineInfo* FindEngine(std::string_view name) noexcept;  // null: unknown
// "unknown engine 'x', known are ...", for messages.
std::string UnknownEngineMessage(std::string_view name);

// Sorts the assignments into the engine's composition and the peer's own settings and checks them.
// Assignments to peers.<another engine> are checked too, and left out. Errors as Compose.
Result<EngineSetup> SetUpEngine(std::string_view engine,
                                const std::vector<Assignment>& assignments);
// The same from a configuration that SetUpEngine has given.
Result<EngineSetup> SetUpEngine(std::string_view engine, const ConfigMap& config);

constexpr uint32_t kMaxClients = 1024;  // threads of a run

// Whether `threads` clients may ask this of the engine: at most kMaxClients may, an executor that
// serves one caller at a time is refused more, depth is refused where there are no asynchronous
// forms. `where` begins the message.
Status CheckClients(const EngineSetup& setup, const workloads::WorkloadInfo& workload,
                    uint32_t threads, const std::string& where);

// The table of equal conditions of a record: durability, cache bytes, ... -> text.
std::map<std::string, std::string> ConditionsOf(const EngineSetup& setup, uint32_t threads);

// One row each; harness/peers/<name>_adapter.cc.
extern const EngineInfo kFioEngine;
extern const EngineInfo kLsmlabEngine;
extern const EngineInfo kNullEngine;
extern const EngineInfo kRocksdbEngine;

}  // namespace lsmlab::harness
