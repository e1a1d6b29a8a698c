#pragma once

#include <algorithm>
#include <cmath>

// How fast writers may go when compaction is behind; shared with what simulates the tree.
namespace lsmlab {

// Where pacing begins (pressure 1) and just before writers stop (pressure 2), bytes per second.
inline constexpr double kPacedRateMax = 512.0 * (1 << 20);
inline constexpr double kPacedRateMin = 4.0 * (1 << 20);

// Falls geometrically with the pressure of the compaction policy. REQUIRES: pressure > 1.
inline double PacedBytesPerSecond(double pressure) noexcept {
  return kPacedRateMax * std::pow(kPacedRateMin / kPacedRateMax, std::min(pressure - 1, 1.0));
}

}  // namespace lsmlab
