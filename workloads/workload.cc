#include "workloads/workload.h"

#include "engine/base/checksum.h"
#include "workloads/ycsb/core_workload.h"

namespace lsmlab::workloads {

std::string_view OpKindName(OpKind kind) noexcept {
  switch (kind) {
    case OpKind::kInsert:
      return "insert";
    case OpKind::kRead:
      return "read";
    case OpKind::kUpdate:
      return "update";
    case OpKind::kReadModifyWrite:
      return "readmodifywrite";
    case OpKind::kScan:
      return "scan";
    case OpKind::kSeek:
      return "seek";
    case OpKind::kDelete:
      return "delete";
  }
  return "unknown";
}

uint64_t CombineDigests(std::span<const uint64_t> by_thread) noexcept {
  uint64_t combined = by_thread.size();
  for (const uint64_t digest : by_thread) combined = MixSeed(combined, digest);
  return combined;
}

Status CheckStreamOptions(const StreamOptions& options) {
  constexpr uint32_t kMax = 65536;
  const auto bad = [](const char* name, uint64_t found, const std::string& allowed) {
    return Status::InvalidArgument(std::string(name) + " = " + std::to_string(found) +
                                   "; allowed: " + allowed);
  };
  if (options.threads < 1 || options.threads > kMax) {
    return bad("threads", options.threads, "1 to 65536");
  }
  if (options.thread >= options.threads) {
    return bad("thread", options.thread, "below " + std::to_string(options.threads));
  }
  if (options.in_flight < 1 || options.in_flight > kMax) {
    return bad("in_flight", options.in_flight, "1 to 65536");
  }
  return {};
}

Result<std::unique_ptr<Workload>> OpenWorkload(const std::string& path, const Overrides& overrides,
                                               const Origins& origins) {
  return CoreWorkload::Open(path, overrides, origins);
}

}  // namespace lsmlab::workloads
