#pragma once

#include "engine/parts/filter.h"

// The built-in filters; see variants/registry.cc for the list of all variants.
namespace lsmlab {

extern const FilterVariant kNoFilter;
extern const FilterVariant kBloomFilter;
extern const FilterVariant kBlockedBloomFilter;
extern const FilterVariant kRibbonFilter;
extern const FilterVariant kPrefixBloomFilter;

}  // namespace lsmlab
