#pragma once

#include <cstddef>
#include <cstdint>

// Internals of the blocked Bloom filter, for its test.
namespace lsmlab::blocked_bloom {

inline constexpr size_t kLineBytes = 64;

// The line of a hash among n; both probes of that line (same answers, whatever the machine).
inline uint64_t LineOf(uint64_t hash, uint64_t n) noexcept { return ((hash >> 32) * n) >> 32; }
void AddToLine(uint64_t* line, uint64_t hash) noexcept;
bool ProbeScalar(const uint64_t* line, uint64_t hash) noexcept;
// AVX-512 where the build has it, else the scalar one.
bool ProbeWide(const uint64_t* line, uint64_t hash) noexcept;

}  // namespace lsmlab::blocked_bloom
