#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/parts/io.h"

namespace lsmlab {

constexpr size_t kIoKinds = static_cast<size_t>(IoKind::kLock) + 1;
constexpr size_t kIoSites = static_cast<size_t>(IoSite::kCount);

// One planned failure: of the `at`-th operation (from 1, counted from Arm) that matches kind and
// site, and of all matching ones after it when `persistent`. A failing kSync or kDataSync drops
// what it was to make durable, as the kernel does; a failing kWrite leaves its first half.
struct SimFault {
  std::optional<IoKind> kind;  // none: any
  std::optional<IoSite> site;  // none: any
  uint64_t at = 1;
  bool persistent = false;
  bool no_space = false;  // NoSpace instead of IoError (EIO)
};

// The armed faults of a disk, and the matrix of what was seen and hit. Not thread-safe.
class SimFaults {
  using Matrix = std::array<std::array<uint64_t, kIoSites>, kIoKinds>;
  template <typename M>
  static auto& Cell(M& matrix, IoKind kind, IoSite site) {
    return matrix[static_cast<size_t>(kind)][static_cast<size_t>(site)];
  }

 public:
  void Arm(const SimFault& fault) { armed_.push_back(Armed{fault, 0}); }
  void Disarm() { armed_.clear(); }

  // Counts the operation; the fault that it is to fail with, or none.
  std::optional<SimFault> Check(IoKind kind, IoSite site) {
    ++Cell(seen_, kind, site);
    std::optional<SimFault> hit;
    for (Armed& armed : armed_) {
      const SimFault& fault = armed.fault;
      if ((fault.kind && *fault.kind != kind) || (fault.site && *fault.site != site)) continue;
      ++armed.matched;
      if (armed.matched == fault.at || (fault.persistent && armed.matched > fault.at)) hit = fault;
    }
    if (hit) ++Cell(failed_, kind, site);
    return hit;
  }

  uint64_t Seen(IoKind kind, IoSite site) const { return Cell(seen_, kind, site); }
  uint64_t Failed(IoKind kind, IoSite site) const { return Cell(failed_, kind, site); }

 private:
  struct Armed {
    SimFault fault;
    uint64_t matched;
  };
  std::vector<Armed> armed_;
  Matrix seen_{}, failed_{};
};

}  // namespace lsmlab
