#pragma once

#include <string>
#include <string_view>

namespace lsmlab {

// Text from files and command lines as it may be shown in a message: control bytes become '?',
// what exceeds 100 bytes becomes "...".
std::string Shown(std::string_view text);

}  // namespace lsmlab
