#pragma once

#include <cstdint>

namespace lsmlab::workloads {

// The sum of i^-theta for i in (from, to], the normalising constant of a zipfian distribution, to
// full double precision in constant time: terms up to 1000 are added one by one, the rest follows
// from the Euler-Maclaurin formula (Knuth, The Art of Computer Programming 1, 1.2.11.2), whose
// first left-out term is below 1e-18 there. A plain sum over 10^10 items takes a minute and is less
// exact. REQUIRES: from <= to, 0 < theta < 1.
double ZetaBetween(uint64_t from, uint64_t to, double theta) noexcept;

inline double Zeta(uint64_t n, double theta) noexcept { return ZetaBetween(0, n, theta); }

}  // namespace lsmlab::workloads
