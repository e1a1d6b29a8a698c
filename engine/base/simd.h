#pragma once

// Vector intrinsics, without GCC 12's warnings about its own headers: their "undefined" vectors are
// initialised with themselves on purpose (GCC bug 105593).
#if defined(__AVX2__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif
