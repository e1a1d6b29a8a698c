#pragma once

#include <cstdint>

namespace lsmlab::test {

// How often the calling thread has called operator new. Programs that link count_allocations.cc.
uint64_t ThreadAllocations() noexcept;

}  // namespace lsmlab::test
