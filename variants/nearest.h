#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/shown.h"

namespace lsmlab {

// The known name with the fewest edits (insertion, removal, replacement, exchange of neighbours) to
// `name`; empty when none is near enough to be what was meant (more than a third of its length).
std::string_view NearestName(std::string_view name, std::span<const std::string_view> known);

// "; did you mean 'x'?", or nothing when no name is near.
std::string DidYouMean(std::string_view name, std::span<const std::string_view> known);

// "a, b or c".
std::string JoinNames(std::span<const std::string_view> names);

}  // namespace lsmlab
