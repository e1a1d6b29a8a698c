#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace lsmlab::test {

// LSMLAB_TEST_SCALE multiplies how much the randomised tests do: 1 without it, less under
// sanitizers, more in a long run.
inline double TestScale() {
  const char* text = std::getenv("LSMLAB_TEST_SCALE");
  return text == nullptr ? 1.0 : std::strtod(text, nullptr);
}
inline uint64_t Scaled(uint64_t n) {
  return std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(n) * TestScale()));
}

// LSMLAB_TEST_SEED repeats a run that failed; otherwise every test has its own fixed seed.
inline uint64_t TestSeed(uint64_t usual) {
  const char* text = std::getenv("LSMLAB_TEST_SEED");
  return text == nullptr ? usual : std::strtoull(text, nullptr, 0);
}

}  // namespace lsmlab::test
