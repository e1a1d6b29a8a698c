#pragma once

#include <cstdio>
#include <cstdlib>

// LSMLAB_ASSERT: cheap checks of programmer errors, on in every build, also in release: a store
// that has lost its invariants must stop before it writes. LSMLAB_INVARIANT: costly checks, on in
// debug and sanitizer builds. Operating errors (I/O, bad input, damaged files) are never asserted;
// they are returned as a Status.
#define LSMLAB_ASSERT(condition)                                                               \
  do {                                                                                         \
    if (!(condition)) [[unlikely]] {                                                           \
      ::std::fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition); \
      ::std::abort();                                                                          \
    }                                                                                          \
  } while (false)

#if defined(LSMLAB_CHECK_INVARIANTS) || defined(LSMLAB_SANITIZED)
#define LSMLAB_INVARIANT(condition) LSMLAB_ASSERT(condition)
#else
#define LSMLAB_INVARIANT(condition) \
  do {                              \
  } while (false)
#endif
