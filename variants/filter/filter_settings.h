#pragma once

#include "engine/parts/settings.h"

namespace lsmlab {

// Shared by all filters with a size. How bits are spread over levels is the composition's.
inline constexpr SettingSpec kBitsPerKeySetting = {
    "bits_per_key",
    SettingType::kReal,
    "10",
    1,
    64,
    "",
    "bits of filter per distinct key; 10 give about 1 % of false positives"};

}  // namespace lsmlab
