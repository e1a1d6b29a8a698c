#pragma once

#include <string_view>

namespace lsmlab {

// A borrowed byte string. Comparison is the store's key order: memcmp, then length
// (std::char_traits<char> compares as unsigned bytes). Every function that takes or returns a
// Slice says how long the bytes live.
using Slice = std::string_view;

}  // namespace lsmlab
