#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "variants/registry.h"

namespace lsmlab::test {

// The parameters of a part's conformance suite: its rows in the registry, so that a new variant is
// tested by being there. `but`: the one row that the suite is not for.
template <typename Variant>
std::vector<const Variant*> RowsBut(std::span<const Variant* const> rows, std::string_view but) {
  std::vector<const Variant*> all;
  for (const Variant* row : rows) {
    if (row->name != but) all.push_back(row);
  }
  return all;
}
template <typename Variant>
auto Registered(std::span<const Variant* const> rows, std::string_view but = {}) {
  return testing::ValuesIn(RowsBut(rows, but));
}

// Names such a test by its variant.
struct ByVariant {
  template <typename Info>
  std::string operator()(const Info& info) const {
    std::string name(info.param->name);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
  }
};

}  // namespace lsmlab::test
