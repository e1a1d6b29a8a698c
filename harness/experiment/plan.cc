#include "harness/experiment/plan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "engine/base/checksum.h"
#include "engine/base/random.h"
#include "harness/experiment/load_class.h"
#include "harness/record/json.h"
#include "variants/home.h"
#include "variants/nearest.h"
#include "variants/presets.h"

namespace lsmlab::harness {
namespace {

constexpr uint64_t kSmokeRecords = 2000;
constexpr uint64_t kSmokeOperations = 1000;
constexpr uint64_t kMaxRuns = 100'000;

// A row before it is composed.
struct Draft {
  std::string name;
  std::string engine = "lsmlab";
  std::string preset;
  std::vector<Assignment> set;
  std::string origin;
};

class Planner {
 public:
  Planner(const Experiment& experiment, const PlanOptions& options)
      : experiment_(experiment), options_(options) {}

  Result<Plan> Make() {
    plan_.experiment = experiment_.name;
    plan_.question = experiment_.question;
    plan_.timeout_seconds = experiment_.limits.timeout_seconds;
    LSMLAB_TRY(FindBase());
    LSMLAB_TRY(DraftMatrix());
    for (const VariantEntry& entry : experiment_.variants) {
      drafts_.push_back({entry.name, entry.engine, entry.preset, entry.set, entry.origin});
    }
    LSMLAB_TRY(ComposeRows());
    LSMLAB_TRY(OpenWorkloads());
    LSMLAB_TRY(CheckRowsAndClients());
    LSMLAB_TRY(CheckExpectations());
    LSMLAB_TRY(LayOut());
    Hash();
    return std::move(plan_);
  }

 private:
  // `base` is the name of a listed row, or a preset that then is a row of its own.
  Status FindBase() {
    for (const VariantEntry& entry : experiment_.variants) {
      if (entry.name == experiment_.base) {
        plan_.base = experiment_.base;
        return {};
      }
    }
    const Result<Preset> preset = LoadPreset(experiment_.base);
    if (!preset.ok()) {
      return Status::InvalidArgument(experiment_.base_origin +
                                     ": base: no [[variant]] has this "
                                     "name and it is no preset: " +
                                     std::string(preset.status().message()));
    }
    plan_.base = RowNameOfPreset(experiment_.base);
    base_preset_ = experiment_.base;
    drafts_.push_back({plan_.base, "lsmlab", experiment_.base, {}, experiment_.base_origin});
    return {};
  }

  Status DraftMatrix() {
    if (experiment_.matrix.empty()) return {};
    uint64_t cells = 1;
    for (const Factor& factor : experiment_.matrix) {
      if (__builtin_mul_overflow(cells, factor.texts.size(), &cells) || cells > kMaxRuns) {
        return Status::InvalidArgument(factor.origin + ": [matrix] has more than " +
                                       std::to_string(kMaxRuns) + " cells");
      }
    }
    for (uint64_t cell = 0; cell < cells; ++cell) {
      Draft draft;
      draft.origin = experiment_.matrix.front().origin;
      uint64_t rest = cell;
      for (auto factor = experiment_.matrix.rbegin(); factor != experiment_.matrix.rend();
           ++factor) {
        const std::string& text = factor->texts[rest % factor->texts.size()];
        draft.set.push_back({factor->name, text, factor->origin, kVariantLayer});
        rest /= factor->texts.size();
      }
      std::reverse(draft.set.begin(), draft.set.end());
      drafts_.push_back(std::move(draft));
    }
    return {};
  }

  Result<EngineSetup> SetUp(const Draft& draft) {
    std::string preset = draft.preset;
    if (preset.empty()) preset = base_preset_.empty() ? "baseline" : base_preset_;
    Result<Preset> loaded = LoadPreset(preset, kPresetLayer);
    if (!loaded.ok()) {
      return Status::InvalidArgument(draft.origin + ": " + std::string(loaded.status().message()));
    }
    std::vector<Assignment> all = loaded.value().assignments;
    for (const std::vector<Assignment>* layer :
         {&experiment_.settings, &draft.set, &options_.overrides}) {
      all.insert(all.end(), layer->begin(), layer->end());
    }
    if (FindEngine(draft.engine) == nullptr) {
      return Status::InvalidArgument(draft.origin +
                                     ": [[variant]] engine: " + UnknownEngineMessage(draft.engine));
    }
    return SetUpEngine(draft.engine, all);
  }

  Status ComposeRows() {
    for (const Draft& draft : drafts_) {
      Result<EngineSetup> setup = SetUp(draft);
      if (!setup.ok()) return setup.status();
      PlannedRow row{draft.name, std::move(setup).value(), {}, {}};
      if (row.name == plan_.base) base_config_ = row.setup.config;
      plan_.rows.push_back(std::move(row));
    }
    std::vector<PlannedRow> kept;
    for (size_t i = 0; i < plan_.rows.size(); ++i) {
      PlannedRow& row = plan_.rows[i];
      row.cell = Difference(base_config_, row.setup.config);
      // The cell of the matrix that is the base itself: that row is there already.
      if (row.name.empty() && row.cell.empty()) continue;
      if (row.name.empty()) row.name = NameOf(drafts_[i].set);
      row.compared_parts = PartsOf(row.cell);
      const bool taken = std::any_of(kept.begin(), kept.end(),
                                     [&](const PlannedRow& k) { return k.name == row.name; });
      if (taken) {
        return Status::InvalidArgument(drafts_[i].origin + ": two rows are called '" +
                                       Shown(row.name) + "'");
      }
      kept.push_back(std::move(row));
    }
    plan_.rows = std::move(kept);
    return {};
  }

  // "memtable=btree" for engine.memtable.variant, "table.block.layout=slotted" for a setting.
  static std::string NameOf(const std::vector<Assignment>& set) {
    std::string name;
    for (const Assignment& a : set) {
      std::string_view key = a.name;
      if (key.starts_with("engine.")) key.remove_prefix(7);
      if (key.ends_with(".variant")) key.remove_suffix(8);
      if (!name.empty()) name += ' ';
      name += std::string(key) + "=" + a.text;
    }
    return name;
  }

  static std::vector<std::string> PartsOf(const TextMap& cell) {
    std::set<std::string> parts;
    for (const auto& [name, text] : cell) {
      if (!name.starts_with("engine.")) continue;
      parts.insert(name.substr(7, name.find('.', 7) - 7));
    }
    return {parts.begin(), parts.end()};
  }

  struct OpenedWorkload {
    std::string name, path;
    workloads::Overrides properties;
    uint32_t threads = 1;
    uint64_t store_bytes = 0;  // user bytes after the load
    size_t load_from = 0;      // the first workload that loads the same
    workloads::WorkloadInfo info;
  };

  static uint32_t ThreadsOf(const PlannedRow& row, const OpenedWorkload& workload) {
    return row.setup.driver.threads != 0 ? row.setup.driver.threads : workload.threads;
  }

  // With the properties that stand in `opened`.
  static Status Open(const WorkloadEntry& entry, OpenedWorkload* opened) {
    const Result<std::unique_ptr<workloads::Workload>> workload =
        workloads::OpenWorkload(opened->path, opened->properties, entry.origins);
    if (!workload.ok()) {
      // A property of the experiment is named with its own line.
      const std::string message(workload.status().message());
      const bool located = message.starts_with(entry.origin.substr(0, entry.origin.rfind(':') + 1));
      return Status::InvalidArgument(located ? message : entry.origin + ": " + message);
    }
    opened->info = workload.value()->info();
    return {};
  }

  Status OpenWorkloads() {
    std::vector<std::string> classes;
    for (const WorkloadEntry& entry : experiment_.workloads) {
      OpenedWorkload opened;
      opened.name = entry.name;
      opened.path = FindShippedFile(entry.file);
      opened.properties = entry.properties;
      LSMLAB_TRY(Open(entry, &opened));
      if (options_.smoke) {
        Shrink(opened.info, &opened.properties);
        LSMLAB_TRY(Open(entry, &opened));
      }
      const workloads::WorkloadInfo& info = opened.info;
      opened.threads = experiment_.run.threads != 0 ? experiment_.run.threads : info.thread_count;
      uint64_t bytes = 0;
      const uint64_t record = info.max_key_bytes + info.max_record_bytes;
      if (__builtin_mul_overflow(info.record_count, record, &bytes)) bytes = UINT64_MAX;
      opened.store_bytes = bytes;
      plan_.largest_store_bytes = std::max(plan_.largest_store_bytes, bytes);
      classes.push_back(LoadClass(info, opened.threads));
      opened.load_from = static_cast<size_t>(
          std::find(classes.begin(), classes.end(), classes.back()) - classes.begin());
      for (const OpenedWorkload& other : workloads_) {
        if (other.name == opened.name) {
          return Status::InvalidArgument(entry.origin + ": two workloads are called '" +
                                         Shown(opened.name) + "'; give them names");
        }
      }
      workloads_.push_back(std::move(opened));
    }
    return {};
  }

  static void Shrink(const workloads::WorkloadInfo& info, workloads::Overrides* properties) {
    const std::string records = std::to_string(std::min(info.record_count, kSmokeRecords));
    properties->emplace_back("recordcount", records);
    if (info.load_count != info.record_count) {  // a slice, which may lie beyond so few
      properties->emplace_back("insertstart", "0");
      properties->emplace_back("insertcount", records);
    }
    properties->emplace_back(
        "operationcount",
        std::to_string(std::min(std::max<uint64_t>(info.operation_count, 1), kSmokeOperations)));
  }

  Status CheckRowsAndClients() const {
    for (const PlannedRow& row : plan_.rows) {
      for (const OpenedWorkload& workload : workloads_) {
        LSMLAB_TRY(harness::CheckClients(row.setup, workload.info, ThreadsOf(row, workload),
                                         "experiment " + experiment_.name + ": row '" +
                                             Shown(row.name) + "', workload '" +
                                             Shown(workload.name) + "'"));
      }
    }
    return {};
  }

  // A bar over a row or workload that does not exist would never be measured.
  Status CheckExpectations() {
    std::vector<std::string_view> rows, names;
    for (const PlannedRow& row : plan_.rows) rows.push_back(row.name);
    for (const OpenedWorkload& workload : workloads_) names.push_back(workload.name);
    for (size_t i = 0; i < experiment_.expect.size(); ++i) {
      const auto check = [&](std::string_view what, const std::string& name,
                             const std::vector<std::string_view>& known) -> Status {
        if (std::find(known.begin(), known.end(), name) != known.end()) return {};
        return Status::InvalidArgument(experiment_.expect_origins[i] + ": [[expect]] " +
                                       std::string(what) + ": no such " + std::string(what) +
                                       " as '" + Shown(name) + "', there are " + JoinNames(known) +
                                       DidYouMean(name, known));
      };
      const ExpectBar& bar = experiment_.expect[i];
      LSMLAB_TRY(check("variant", bar.variant, rows));
      if (!bar.base.empty()) LSMLAB_TRY(check("base", bar.base, rows));
      LSMLAB_TRY(check("workload", bar.workload, names));
    }
    return {};
  }

  template <typename T>
  void Shuffle(std::vector<T>& items, Random& random) const {
    if (!experiment_.run.interleaved) return;
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
  }

  enum class Phases : uint8_t { kBoth, kLoadOnly, kRunOnly };

  uint32_t BlockCount() const { return options_.smoke ? 1 : experiment_.run.repetitions; }

  Status LayOut() {
    std::vector<size_t> all, loads;
    for (size_t i = 0; i < workloads_.size(); ++i) {
      all.push_back(i);
      if (experiment_.run.copied && workloads_[i].load_from == i) loads.push_back(i);
    }
    const uint32_t blocks = BlockCount();
    uint64_t runs = blocks * plan_.rows.size();
    if (__builtin_mul_overflow(runs, all.size() + loads.size(), &runs) || runs > kMaxRuns) {
      return Status::InvalidArgument("experiment " + experiment_.name + " has more than " +
                                     std::to_string(kMaxRuns) + " runs");
    }
    for (size_t load : loads) AddKept(workloads_[load].store_bytes);
    Random random(experiment_.run.seed);
    for (uint32_t block = 0; block < blocks; ++block) {
      kept_.clear();
      uint32_t place = 0;
      if (experiment_.run.copied) AddRuns(loads, Phases::kLoadOnly, block, random, &place);
      const Phases phases = experiment_.run.copied ? Phases::kRunOnly : Phases::kBoth;
      AddRuns(all, phases, block, random, &place);
    }
    return {};
  }

  void AddKept(uint64_t store_bytes) {
    uint64_t& kept = plan_.kept_store_bytes;
    for (const PlannedRow& row : plan_.rows) {
      if (!FindEngine(row.setup.engine)->keeps_data) continue;
      if (__builtin_add_overflow(kept, store_bytes, &kept)) kept = UINT64_MAX;
    }
  }

  void AddRuns(std::vector<size_t> workloads, Phases phases, uint32_t block, Random& random,
               uint32_t* place) {
    Shuffle(workloads, random);
    for (size_t workload : workloads) {
      std::vector<size_t> rows(plan_.rows.size());
      std::iota(rows.begin(), rows.end(), size_t{0});
      Shuffle(rows, random);
      for (size_t row : rows) {
        RunSpec spec = NewRun(plan_.rows[row], workloads_[workload], block, (*place)++);
        const std::string name = "run-" + std::to_string(plan_.runs.size() + 1);
        spec.directory = options_.directory + "/" + name;
        if (phases == Phases::kLoadOnly) {
          spec.run = false;
          kept_[{row, workload}] = name;
        } else if (phases == Phases::kRunOnly) {
          spec.load = spec.fresh = false;
          spec.copies = kept_.at({row, workloads_[workload].load_from});
        }
        plan_.runs.push_back(std::move(spec));
      }
    }
  }

  RunSpec NewRun(const PlannedRow& row, const OpenedWorkload& workload, uint32_t block,
                 uint32_t place) const {
    RunSpec spec;
    RunIdentity& id = spec.identity;
    id.experiment = plan_.experiment;
    id.question = plan_.question;
    id.base = plan_.base;
    id.variant = row.name;
    id.engine = row.setup.engine;
    id.workload = workload.name;
    id.cell = row.cell;
    id.block = block;
    id.blocks = BlockCount();
    id.order = place;
    id.seed = experiment_.run.seed + block;  // the same for all rows of a block: pairs
    spec.config = row.setup.config;
    spec.workload_file = workload.path;
    spec.properties = workload.properties;
    spec.threads = ThreadsOf(row, workload);
    spec.load = experiment_.run.load;
    spec.run = experiment_.run.run;
    spec.drain = experiment_.run.drain;
    spec.drain_run = experiment_.run.drain_run;
    spec.warmup = experiment_.run.warmup;
    spec.interval_s = experiment_.run.interval_s;
    spec.load_seconds = experiment_.limits.load_seconds;
    spec.run_seconds = experiment_.limits.run_seconds;
    if (!options_.smoke) {
      spec.touch_bytes = experiment_.run.touch_bytes;
      spec.expect = experiment_.expect;  // few operations say nothing about them
    }
    spec.compared_parts = row.compared_parts;
    return spec;
  }

  // The directory is not part of it: a result directory may be moved.
  void Hash() {
    std::string all;
    for (RunSpec run : plan_.runs) {
      run.directory.clear();
      run.workload_file = std::filesystem::path(run.workload_file).filename().string();
      all += SpecText(run);
    }
    // A workload file may change under its name.
    for (const OpenedWorkload& workload : workloads_) {
      for (const auto& [name, value] : workload.info.settings) all += name + "=" + value + "\n";
    }
    char text[17];
    std::snprintf(text, sizeof text, "%016llx",
                  static_cast<unsigned long long>(Checksum(all, plan_.runs.size())));
    plan_.hash = text;
  }

  const Experiment& experiment_;
  const PlanOptions& options_;
  std::string base_preset_;
  ConfigMap base_config_;
  std::vector<Draft> drafts_;
  std::vector<OpenedWorkload> workloads_;
  std::map<std::pair<size_t, size_t>, std::string> kept_;  // of a block: row, workload -> directory
  Plan plan_;
};

}  // namespace

std::string RowNameOfPreset(const std::string& preset) {
  return std::filesystem::path(preset).stem().string();
}

TextMap Difference(const ConfigMap& base, const ConfigMap& other) {
  TextMap difference;
  for (const auto& [name, text] : other) {
    const auto found = base.find(name);
    if (found == base.end() || found->second != text) difference[name] = text;
  }
  return difference;
}

Result<Plan> MakePlan(const Experiment& experiment, const PlanOptions& options) {
  return Planner(experiment, options).Make();
}

}  // namespace lsmlab::harness
