#pragma once

#include "engine/parts/codec.h"

// The built-in codecs; see variants/registry.cc for the list of all variants.
namespace lsmlab {

extern const CodecVariant kNoCodec;
extern const CodecVariant kLz4Codec;
extern const CodecVariant kZstdCodec;

}  // namespace lsmlab
