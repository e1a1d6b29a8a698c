#include <cstdio>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "engine/tree/identity.h"
#include "harness/cli/command.h"
#include "harness/run/files.h"
#include "variants/nearest.h"
#include "variants/presets.h"

namespace lsmlab::harness {
namespace {

constexpr std::string_view kActions[] = {"stats", "verify", "get", "scan", "dump"};

constexpr OptionSpec kOptions[] = {
    {"key", "KEY", "get: the key"},
    {"from", "KEY", "scan: the first key; default: the store's"},
    {"count", "N", "scan: how many entries; default 10"},
};

// Bytes as people can read them: what is not printable as \xNN, at most `most` bytes.
std::string Printable(Slice bytes, size_t most = 80) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (char c : bytes.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      text += c;
    } else {
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  if (bytes.size() > most) text += "... (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

// The partitioner of the store, which cannot change, as its identity has it. What cannot be read is
// left to the open, which says what is wrong.
std::vector<Assignment> PartitionerOf(const std::string& store) {
  const std::string path = store + "/IDENTITY";
  const Result<std::string> text = ReadWholeFile(path, kIdentityBytesMax);
  if (!text.ok()) return {};
  const Result<StoreIdentity> identity = DecodeIdentity(text.value(), path);
  if (!identity.ok()) return {};
  std::istringstream words(identity->partitioner);
  std::string variant, detail;
  words >> variant >> detail;
  const auto setting = [&path](const std::string& name, std::string value) {
    return Assignment{"engine.partitioner." + name, std::move(value), path, 0};
  };
  std::vector<Assignment> assignments = {setting("variant", variant)};
  if (variant != "single") {
    assignments.push_back(setting("shards", std::to_string(identity->shards)));
  }
  if (variant == "first-byte") assignments.push_back(setting("skip_bytes", detail));
  return assignments;
}

Result<std::unique_ptr<Store>> OpenReadOnly(const std::string& path) {
  // How files are laid out is written in them; only parts that read matter here.
  Result<ComposedEngine> composed = Compose(PartitionerOf(path));
  if (!composed.ok()) return composed.status();
  StoreOptions options;
  options.path = path;
  options.composition = std::move(composed).value().composition;
  options.create_if_missing = false;
  options.read_only = true;
  return Store::Open(std::move(options));
}

Status PrintStats(Store& store) {
  std::puts("level  runs  tables        entries          bytes");
  for (const TreeShape& shape : store.Shapes()) {
    for (size_t i = 0; i < shape.levels.size(); ++i) {
      const LevelShape& level = shape.levels[i];
      uint64_t tables = 0, entries = 0;
      for (const RunShape& run : level.runs) {
        tables += run.tables.size();
        for (const TableShape& table : run.tables) entries += table.entries;
      }
      if (tables == 0) continue;
      std::printf("%5zu %5zu %7llu %14llu %14llu\n", i, level.runs.size(),
                  static_cast<unsigned long long>(tables), static_cast<unsigned long long>(entries),
                  static_cast<unsigned long long>(level.bytes));
    }
  }
  for (const auto& [name, value] : StatsAsList(store.Stats())) {
    if (value != 0) std::printf("%-26s %.0f\n", std::string(name).c_str(), value);
  }
  return {};
}

Status PrintEntries(Store& store, const std::string& from, uint64_t count) {
  const std::unique_ptr<Iterator> it = store.NewIterator();
  Status status = from.empty() ? it->SeekToFirst() : it->Seek(from);
  for (uint64_t i = 0; i < count && status.ok() && it->valid(); ++i) {
    Result<Slice> value = it->Value();
    if (!value.ok()) return value.status();
    std::printf("%s = %s\n", Printable(it->key()).c_str(), Printable(value.value()).c_str());
    status = it->Next();
  }
  return status;
}

// Every table with its place and key range, and every value file.
Status PrintDump(Store& store) {
  uint32_t shard = 0;
  for (const TreeShape& shape : store.Shapes()) {
    for (size_t i = 0; i < shape.levels.size(); ++i) {
      for (const RunShape& run : shape.levels[i].runs) {
        for (const TableShape& t : run.tables) {
          std::printf(
              "shard %u level %zu run %u table %llu: %llu bytes, %llu entries, %llu "
              "tombstones, %s .. %s\n",
              shard, i, run.run, static_cast<unsigned long long>(t.file),
              static_cast<unsigned long long>(t.bytes), static_cast<unsigned long long>(t.entries),
              static_cast<unsigned long long>(t.tombstones), Printable(t.smallest_key, 32).c_str(),
              Printable(t.largest_key, 32).c_str());
        }
      }
    }
    for (const ValueFileShape& file : shape.value_files) {
      std::printf("shard %u value file %llu: %llu bytes, %llu of them live\n", shard,
                  static_cast<unsigned long long>(file.file),
                  static_cast<unsigned long long>(file.bytes),
                  static_cast<unsigned long long>(file.live_bytes));
    }
    ++shard;
  }
  return {};
}

Status Act(const std::string& action, const ParsedOptions& options, uint64_t count, Store& store) {
  if (action == "stats") return PrintStats(store);
  if (action == "dump") return PrintDump(store);
  if (action == "scan") return PrintEntries(store, options.Get("from"), count);
  if (action == "get") {
    std::string value;
    const std::string key = options.Get("key");
    LSMLAB_TRY(store.Get(key, &value));
    std::printf("%s\n", Printable(value, SIZE_MAX).c_str());
    return {};
  }
  LSMLAB_TRY(store.Verify());
  std::puts("ok");
  return {};
}

int Run(const ParsedOptions& options) {
  const std::string& action = options.positional()[0];
  bool known = false;
  for (std::string_view name : kActions) known |= name == action;
  if (!known) {
    return FailUsage(Status::InvalidArgument("store: unknown action '" + Shown(action) +
                                             "', known are " + JoinNames(kActions) +
                                             DidYouMean(action, kActions)));
  }
  if (action == "get" && !options.Has("key")) {
    return FailUsage(Status::InvalidArgument("store get: needs --key"));
  }
  const Result<uint64_t> count = ParseCount("--count", options.Get("count", "10"), 1, INT64_MAX);
  if (!count.ok()) return FailUsage(count.status());
  Result<std::unique_ptr<Store>> store = OpenReadOnly(options.positional()[1]);
  if (!store.ok()) return FailRun(store.status());
  const Status status = Act(action, options, count.value(), *store.value());
  if (status.ok()) return kExitDone;
  const bool missing_key = status.IsNotFound() && action == "get";
  return FailRun(missing_key ? Status::NotFound("no such key: " + Shown(options.Get("key")))
                             : status);
}

}  // namespace

const Command kStoreCommand = {
    {"store", "look into a store without changing it: stats, verify, get, scan, dump", "ACTION DIR",
     2, 2, "lsmlab store scan /var/tmp/db --from user1 --count 5", kOptions},
    Run};

}  // namespace lsmlab::harness
