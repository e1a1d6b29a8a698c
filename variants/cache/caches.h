#pragma once

#include "engine/parts/block_cache.h"

// The built-in block caches; see variants/registry.cc for the list of all variants.
namespace lsmlab {

extern const CacheVariant kNoCache;
extern const CacheVariant kLruCache;
extern const CacheVariant kClockCache;
extern const CacheVariant kS3FifoCache;
extern const CacheVariant kSwizzledCache;

}  // namespace lsmlab
