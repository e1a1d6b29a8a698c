#pragma once

#include <memory>
#include <string>

#include "workloads/workload.h"
#include "workloads/ycsb/settings.h"
#include "workloads/ycsb/value_pool.h"

namespace lsmlab::workloads {

// YCSB's core workload (Cooper et al., SoCC 2010), with our named extensions: README.md.
class CoreWorkload final : public Workload {
 public:
  // See OpenWorkload.
  static Result<std::unique_ptr<Workload>> Open(const std::string& path, const Overrides& overrides,
                                                const Origins& origins = {});
  // From properties already read; `source` names them in info().
  static Result<std::unique_ptr<Workload>> Make(const std::vector<Property>& properties,
                                                const Overrides& overrides, std::string source,
                                                const Origins& origins = {});

  const WorkloadInfo& info() const override { return info_; }
  const Settings& settings() const { return settings_; }
  Result<std::unique_ptr<OpStream>> NewLoadStream(const StreamOptions& options) const override;
  Result<std::unique_ptr<OpStream>> NewRunStream(const StreamOptions& options) const override;

 private:
  CoreWorkload(Settings settings, WorkloadInfo info);

  Settings settings_;
  WorkloadInfo info_;
  ValuePool pool_;
};

}  // namespace lsmlab::workloads
