#include "workloads/ycsb/core_workload.h"

#include <utility>

#include "workloads/ycsb/key_format.h"
#include "workloads/ycsb/load_stream.h"
#include "workloads/ycsb/property_file.h"
#include "workloads/ycsb/run_stream.h"

namespace lsmlab::workloads {
namespace {

WorkloadInfo MakeInfo(const Settings& s, PropertyReader& reader, std::string source) {
  WorkloadInfo info;
  info.source = std::move(source);
  info.load_first = s.insert_start;
  info.load_count = s.insert_count;
  info.record_count = s.record_count;
  info.operation_count = s.operation_count;
  double sum = 0;
  for (const double w : s.weights) sum += w;
  for (size_t i = 0; i < kOpKindCount; ++i) info.mix[i] = s.weights[i] / sum;
  info.field_count = s.field_count;
  info.raw_value = s.raw_value;
  info.scan_prefix_bytes = s.scan_prefix_bytes;
  info.max_record_bytes = s.max_record_bytes();
  info.max_key_bytes = KeyFormat::MaxBytes(s);
  info.update = s.update;
  info.thread_count = s.thread_count;
  info.target_ops_per_s = s.target_ops_per_s;
  info.max_execution_seconds = s.max_execution_seconds;
  info.settings = reader.TakeEffective();
  info.deviations = reader.Extensions();
  info.ignored = reader.IgnoredOnes();
  return info;
}

}  // namespace

CoreWorkload::CoreWorkload(Settings settings, WorkloadInfo info)
    : settings_(std::move(settings)), info_(std::move(info)), pool_(settings_) {}

Result<std::unique_ptr<Workload>> CoreWorkload::Open(const std::string& path,
                                                     const Overrides& overrides,
                                                     const Origins& origins) {
  Result<std::vector<Property>> properties = ReadPropertyFile(path);
  if (!properties.ok()) return properties.status();
  return Make(properties.value(), overrides, path, origins);
}

Result<std::unique_ptr<Workload>> CoreWorkload::Make(const std::vector<Property>& properties,
                                                     const Overrides& overrides, std::string source,
                                                     const Origins& origins) {
  PropertyReader reader(properties, overrides, origins);
  Result<Settings> settings = ReadSettings(reader);
  if (!settings.ok()) return settings.status();
  WorkloadInfo info = MakeInfo(settings.value(), reader, std::move(source));
  return std::unique_ptr<Workload>(new CoreWorkload(std::move(settings).value(), std::move(info)));
}

Result<std::unique_ptr<OpStream>> CoreWorkload::NewLoadStream(const StreamOptions& options) const {
  LSMLAB_TRY(CheckStreamOptions(options));
  return std::unique_ptr<OpStream>(std::make_unique<LoadStream>(settings_, pool_, options));
}

Result<std::unique_ptr<OpStream>> CoreWorkload::NewRunStream(const StreamOptions& options) const {
  LSMLAB_TRY(CheckStreamOptions(options));
  return std::unique_ptr<OpStream>(std::make_unique<RunStream>(settings_, pool_, options));
}

}  // namespace lsmlab::workloads
