#pragma once

#include <string>
#include <string_view>

namespace lsmlab::workloads {

enum class PropertyUse {
  kUnknown,
  kApplies,    // Changes the workload or what the driver is asked.
  kIgnored,    // Known to YCSB; says something about its client, its output or its database.
  kExtension,  // Ours, named "lsmlab.": a workload that uses it is no longer the standard one.
};

PropertyUse UseOfProperty(std::string_view name) noexcept;

// The known name with the fewest edits (insertion, removal, replacement, exchange of neighbours) to
// `name`.
std::string_view NearestProperty(std::string_view name);

}  // namespace lsmlab::workloads
