#include "harness/experiment/experiment.h"

#include <algorithm>
#include <filesystem>

#include "harness/experiment/toml_fields.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

using Kind = TomlValue::Kind;

// "name = text" of everything below a table, as assignments of one layer.
Status TakeAssignments(const TomlValue& table, std::string_view prefix, int layer,
                       std::vector<Assignment>* out) {
  std::vector<TomlLeaf> leaves;
  LSMLAB_TRY(FlattenToml(table, prefix, &leaves));
  for (TomlLeaf& leaf : leaves) {
    out->push_back({std::move(leaf.name), std::move(leaf.text), std::move(leaf.origin), layer});
  }
  return {};
}

Status ReadMatrix(const TomlValue& table, Experiment* out) {
  // Names may be quoted whole ("engine.filter.variant") or be nested tables; both read alike.
  std::vector<std::pair<std::string, const TomlValue*>> open = {{"", &table}};
  for (size_t i = 0; i < open.size(); ++i) {
    const std::string prefix = open[i].first;
    for (const auto& [key, value] : open[i].second->entries) {
      const std::string name = prefix.empty() ? key : prefix + "." + key;
      if (value.kind == Kind::kTable) {
        open.emplace_back(name, &value);
        continue;
      }
      if (value.kind != Kind::kArray || value.items.empty()) {
        return Status::InvalidArgument(value.origin + ": [matrix] " + Shown(name) +
                                       ": an array of the values to take in turn is needed");
      }
      Factor factor{name, {}, value.origin};
      for (const TomlValue& item : value.items) {
        Result<std::string> text = TomlSettingText(item, name);
        if (!text.ok()) return text.status();
        factor.texts.push_back(std::move(text).value());
      }
      out->matrix.push_back(std::move(factor));
    }
  }
  return {};
}

Status ReadVariant(const TomlValue& table, Experiment* out) {
  VariantEntry entry;
  entry.origin = table.origin;
  entry.engine = "lsmlab";
  TomlFields fields(table, "[[variant]]");
  fields.Text("name", &entry.name);
  fields.Text("engine", &entry.engine);
  fields.Text("preset", &entry.preset);
  if (const TomlValue* set = fields.TakeTable("set"); set != nullptr) {
    fields.Fail(TakeAssignments(*set, "", kVariantLayer, &entry.set));
  }
  LSMLAB_TRY(fields.Finish());
  if (entry.name.empty() && entry.engine != "lsmlab") entry.name = entry.engine;
  out->variants.push_back(std::move(entry));
  return {};
}

// The properties of a workload: every key that is none of ours, dotted ones included.
Status TakeProperty(const std::string& key, const TomlValue& value, WorkloadEntry* out) {
  std::vector<TomlLeaf> leaves;
  if (value.kind == Kind::kTable) {
    LSMLAB_TRY(FlattenToml(value, key, &leaves));
  } else {
    Result<std::string> text = TomlSettingText(value, key);
    if (!text.ok()) return text.status();
    leaves.push_back({key, std::move(text).value(), value.origin});
  }
  for (TomlLeaf& leaf : leaves) {
    out->origins[leaf.name] = std::move(leaf.origin);
    out->properties.emplace_back(std::move(leaf.name), std::move(leaf.text));
  }
  return {};
}

// Those for all workloads, below those of each.
void AddCommon(const WorkloadEntry& common, std::vector<WorkloadEntry>* entries) {
  for (WorkloadEntry& entry : *entries) {
    entry.properties.insert(entry.properties.begin(), common.properties.begin(),
                            common.properties.end());
    entry.origins.insert(common.origins.begin(), common.origins.end());
  }
}

std::string Stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

Status TakeFiles(const TomlValue* files, TomlFields& fields, std::vector<std::string>* out) {
  if (files == nullptr) return {};
  for (const TomlValue& item : files->items) {
    if (item.kind == Kind::kString) out->push_back(item.text);
  }
  if (files->kind != Kind::kArray || files->items.empty() || out->size() != files->items.size()) {
    fields.FailAt(*files, "files", "an array of paths");
  }
  return {};
}

// [workload]: file or files, properties for all of them, and tables with the properties of one file
// named by its stem.
Status ReadWorkloadTable(const TomlValue& table, Experiment* out) {
  TomlFields fields(table, "[workload]");
  std::string file;
  std::vector<std::string> files;
  fields.Text("file", &file);
  LSMLAB_TRY(TakeFiles(fields.Take("files"), fields, &files));
  if (!file.empty()) files.push_back(file);
  for (const std::string& path : files)
    out->workloads.push_back({path, Stem(path), {}, {}, table.origin});
  WorkloadEntry common;
  fields.TakeRest([&](const std::string& key, const TomlValue& value) {
    for (WorkloadEntry& entry : out->workloads) {
      if (entry.name != key || value.kind != Kind::kTable) continue;
      for (const auto& [name, item] : value.entries) {
        fields.Fail(TakeProperty(name, item, &entry));
      }
      return;
    }
    fields.Fail(TakeProperty(key, value, &common));
  });
  LSMLAB_TRY(fields.Finish());
  AddCommon(common, &out->workloads);
  return {};
}

// [[workload]]: one file each, with a name and its own properties; [properties] are for all.
Status ReadWorkloadList(const TomlValue& list, Experiment* out) {
  for (const TomlValue& table : list.items) {
    WorkloadEntry entry;
    entry.origin = table.origin;
    TomlFields fields(table, "[[workload]]");
    fields.Text("file", &entry.file);
    fields.Text("name", &entry.name);
    fields.TakeRest([&](const std::string& key, const TomlValue& value) {
      fields.Fail(TakeProperty(key, value, &entry));
    });
    LSMLAB_TRY(fields.Finish());
    if (entry.file.empty()) {
      return Status::InvalidArgument(table.origin + ": [[workload]] needs file, a path");
    }
    if (entry.name.empty()) entry.name = Stem(entry.file);
    out->workloads.push_back(std::move(entry));
  }
  return {};
}

Status ReadWorkloads(TomlFields& root, Experiment* out) {
  if (const TomlValue* value = root.Take("workload"); value != nullptr) {
    if (value->kind == Kind::kTable) {
      LSMLAB_TRY(ReadWorkloadTable(*value, out));
    } else if (value->kind == Kind::kArray && !value->items.empty() &&
               value->items.front().kind == Kind::kTable) {
      LSMLAB_TRY(ReadWorkloadList(*value, out));
    } else {
      root.FailAt(*value, "workload", "a table [workload] or tables [[workload]]");
    }
  }
  if (const TomlValue* value = root.TakeTable("properties"); value != nullptr) {
    WorkloadEntry common;
    for (const auto& [key, item] : value->entries) LSMLAB_TRY(TakeProperty(key, item, &common));
    AddCommon(common, &out->workloads);
  }
  return {};
}

Status ReadRun(const TomlValue& table, RunSettings* run) {
  static constexpr std::string_view kOrders[] = {"interleaved", "listed"};
  static constexpr std::string_view kLoads[] = {"fresh", "copied"};
  static constexpr std::string_view kPhases[] = {"load", "load+run"};
  std::string order, load, warmup, phases = "load+run";
  TomlFields fields(table, "[run]");
  fields.Count("repetitions", uint32_t{1}, uint32_t{1000}, &run->repetitions);
  fields.Count("seed", uint64_t{0}, uint64_t{INT64_MAX}, &run->seed);
  fields.Count("threads", uint32_t{1}, uint32_t{1024}, &run->threads);
  fields.Choice("order", kOrders, &order);
  fields.Choice("load", kLoads, &load);
  fields.Choice("phases", kPhases, &phases);
  fields.Choice("warmup", kWarmupNames, &warmup);
  fields.Bool("drain", &run->drain);
  fields.Bool("drain_run", &run->drain_run);
  fields.Duration("interval", 0.01, 60, &run->interval_s);
  fields.Bytes("touch_memory", 0, uint64_t{1} << 40, &run->touch_bytes);
  run->interleaved = order != "listed";
  run->run = phases == "load+run";
  run->copied = load == "copied";
  if (run->copied && !run->run) {
    fields.FailAt(*table.Find("load"), "load", "fresh with phases = \"load\"");
  }
  run->warmup = WarmupOf(warmup);
  return fields.Finish();
}

Status ReadLimits(const TomlValue& table, Limits* limits) {
  constexpr double kDay = 86400;
  TomlFields fields(table, "[limits]");
  fields.Duration("load", 0.01, kDay, &limits->load_seconds);
  fields.Duration("run", 0.01, kDay, &limits->run_seconds);
  fields.Duration("timeout", 1, kDay, &limits->timeout_seconds);
  return fields.Finish();
}

Status ReadExpect(const TomlValue& table, Experiment* out) {
  static constexpr std::string_view kPhases[] = {"load", "run"};
  ExpectBar bar;
  bar.phase = "run";
  bar.metric = "ops_per_s";
  bar.base = out->base;
  TomlFields fields(table, "[[expect]]");
  fields.Text("workload", &bar.workload);
  fields.Choice("phase", kPhases, &bar.phase);
  fields.Text("variant", &bar.variant);
  fields.Text("base", &bar.base);
  fields.Text("metric", &bar.metric);
  bool absolute = false;
  fields.Bool("absolute", &absolute);
  fields.Real("at_least", 1e-12, 1e12, &bar.at_least);
  fields.Real("at_most", 1e-12, 1e12, &bar.at_most);
  LSMLAB_TRY(fields.Finish());
  if (bar.workload.empty() || bar.variant.empty()) {
    return Status::InvalidArgument(table.origin + ": [[expect]] needs workload and variant");
  }
  if (bar.at_most > 0 && bar.at_least > bar.at_most) {
    return Status::InvalidArgument(table.origin +
                                   ": [[expect]] at_least is above at_most: no figure "
                                   "keeps both");
  }
  if (absolute) bar.base.clear();
  out->expect.push_back(std::move(bar));
  out->expect_origins.push_back(table.origin);
  return {};
}

template <typename Read>
Status ReadEach(const TomlValue* tables, Read read) {
  if (tables == nullptr) return {};
  for (const TomlValue& table : tables->items) LSMLAB_TRY(read(table));
  return {};
}

Status ReadTables(TomlFields& root, Experiment* out) {
  for (std::string_view space : {"engine", "peers", "driver"}) {
    if (const TomlValue* table = root.TakeTable(space); table != nullptr) {
      LSMLAB_TRY(TakeAssignments(*table, space, kExperimentLayer, &out->settings));
    }
  }
  if (const TomlValue* t = root.TakeTable("matrix"); t != nullptr) LSMLAB_TRY(ReadMatrix(*t, out));
  LSMLAB_TRY(ReadEach(root.TakeTables("variant"),
                      [&](const TomlValue& t) { return ReadVariant(t, out); }));
  LSMLAB_TRY(ReadWorkloads(root, out));
  if (const TomlValue* t = root.TakeTable("run"); t != nullptr) LSMLAB_TRY(ReadRun(*t, &out->run));
  if (const TomlValue* t = root.TakeTable("limits"); t != nullptr) {
    LSMLAB_TRY(ReadLimits(*t, &out->limits));
  }
  return ReadEach(root.TakeTables("expect"),
                  [&](const TomlValue& t) { return ReadExpect(t, out); });
}

Status CheckWhole(const TomlValue& root, const Experiment& e) {
  const std::string file = root.origin.substr(0, root.origin.rfind(':')) + ": ";
  if (e.question.empty()) return Status::InvalidArgument(file + "question is missing");
  if (e.base.empty()) return Status::InvalidArgument(file + "base is missing: a preset or a row");
  if (e.workloads.empty()) {
    return Status::InvalidArgument(file + "[workload] with file or files is missing");
  }
  if (e.matrix.empty() && e.variants.empty()) {
    return Status::InvalidArgument(file + "[matrix] or [[variant]] is missing: nothing to compare");
  }
  return {};
}

}  // namespace

Result<Experiment> ParseExperiment(const TomlValue& root, const std::string& name) {
  Experiment out;
  out.name = name;
  TomlFields fields(root, "experiment");
  fields.Text("question", &out.question);
  fields.Text("base", &out.base);
  out.base_origin = fields.OriginOf("base");
  fields.Fail(ReadTables(fields, &out));
  LSMLAB_TRY(fields.Finish());
  LSMLAB_TRY(CheckWhole(root, out));
  return out;
}

Result<Experiment> ReadExperiment(const std::string& path) {
  Result<TomlValue> root = ReadTomlFile(path);
  if (!root.ok()) return root.status();
  return ParseExperiment(root.value(), Stem(path));
}

}  // namespace lsmlab::harness
