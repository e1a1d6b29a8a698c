#pragma once

#include <span>
#include <string_view>

namespace lsmlab::workloads {

struct ShippedWorkload {
  std::string_view name;     // Unique; what results call it.
  std::string_view summary;  // One line.
  std::string_view path;     // From the root of the source tree.
};

// The workload files that come with the program.
std::span<const ShippedWorkload> ShippedWorkloads() noexcept;

}  // namespace lsmlab::workloads
